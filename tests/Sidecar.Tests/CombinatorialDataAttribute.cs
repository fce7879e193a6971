using System.Reflection;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace Premortem.Sidecar.Tests;

/// <summary>Every pair of one value of each list.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class CombinatorialDataAttribute(double[] first, double[] second) : DataAttribute
{
    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker) =>
        new((from a in first from b in second select (ITheoryDataRow)new TheoryDataRow(a, b)).ToList());

    public override bool SupportsDiscoveryEnumeration() => true;
}
