using System.Reflection;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace Premortem.Sidecar.Tests;

/// <summary>Every combination of that many flags.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class CombinatorialFlagsAttribute(int count) : DataAttribute
{
    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker) =>
        new(Enumerable.Range(0, 1 << count)
            .Select(bits => (ITheoryDataRow)new TheoryDataRow([.. Enumerable.Range(0, count).Select(flag => (object)((bits >> flag & 1) == 1))]))
            .ToList());

    public override bool SupportsDiscoveryEnumeration() => true;
}
