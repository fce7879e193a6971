using Premortem.Operator.Injection;

namespace Premortem.Operator.Policies;

/// <summary>Which policies select a pod.</summary>
internal static class PolicySelector
{
    /// <summary>The valid and invalid ones alike, the one that wins first (see <see cref="Contracts.Policies.PolicyMerge"/>).</summary>
    public static IReadOnlyList<PolicyView> Select(IReadOnlyDictionary<string, string>? podLabels, NamespaceView @namespace, IReadOnlyList<PolicyView> policies)
    {
        List<PolicyView>? selected = null;
        foreach (var policy in policies)
            if (IsIn(policy, @namespace) && policy.Selector.Selects(podLabels))
                (selected ??= []).Add(policy);
        selected?.Sort(PolicyView.Compare);
        return selected ?? [];
    }

    /// <summary>Whether it could select any pod of the namespace.</summary>
    public static bool IsIn(PolicyView policy, NamespaceView @namespace) =>
        policy.Namespace is null ? policy.NamespaceSelector.Selects(@namespace.Labels) : policy.Namespace == @namespace.Name;
}
