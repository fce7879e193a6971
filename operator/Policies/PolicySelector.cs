using Premortem.Operator.Injection;

namespace Premortem.Operator.Policies;

/// <summary>Which policies select a pod.</summary>
internal static class PolicySelector
{
    /// <summary>The valid and invalid ones alike, the one that wins first (see <see cref="Contracts.Policies.PolicyMerge"/>).</summary>
    public static IReadOnlyList<PolicyView> Select(IReadOnlyDictionary<string, string>? podLabels, NamespaceView @namespace, IReadOnlyList<PolicyView> policies) =>
        throw new NotImplementedException();
}
