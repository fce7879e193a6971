namespace Premortem.Contracts.Policies;

/// <summary>
/// Several policies on one container: what wins. A <c>ProfilePolicy</c> comes before a <c>ClusterProfilePolicy</c>, and among equals the
/// name decides, in ordinal order. The triggers of all are taken; of two with one name the first wins. So it is with captures of one
/// type. Everything else (limits, storage, flight recorder, runtime, go) is the first policy's that says it.
/// </summary>
public static class PolicyMerge
{
    /// <summary>What holds for one container; null: no policy watches it.</summary>
    /// <param name="policies">The policies that select the pod, in order of precedence.</param>
    public static EffectivePolicy? For(string container, IReadOnlyList<ReadPolicy> policies) => throw new NotImplementedException();
}

/// <summary>A policy as it was read, with what names it.</summary>
public sealed record ReadPolicy(string Kind, string Name, string? Namespace, ProfilePolicySpec Spec)
{
    public PolicyReference Reference => new(Name, Namespace);
}

/// <param name="Spec">The merged one.</param>
/// <param name="PolicyOf">Whose each trigger is, by the trigger's name.</param>
/// <param name="Shadowed">What of a policy does not count here because of another, in words.</param>
public sealed record EffectivePolicy(
    ProfilePolicySpec Spec,
    IReadOnlyDictionary<string, PolicyReference> PolicyOf,
    IReadOnlyList<ShadowedField> Shadowed);

/// <param name="Policy">Whose field it is.</param>
/// <param name="Path">Which field: <c>spec.triggers[near-limit]</c>, <c>spec.storage</c>.</param>
/// <param name="By">The policy that wins.</param>
public sealed record ShadowedField(PolicyReference Policy, string Path, PolicyReference By);
