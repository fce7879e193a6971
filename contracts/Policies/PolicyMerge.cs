namespace Premortem.Contracts.Policies;

/// <summary>
/// Several policies on one container: what wins. A <c>ProfilePolicy</c> comes before a <c>ClusterProfilePolicy</c>, and among equals the
/// name decides, in ordinal order. The triggers of all are taken; of two with one name the first wins. So it is with captures of one
/// type. Everything else (limits, storage, flight recorder, runtime, go) is the first policy's that says it. A policy that leaves its captures
/// out says nothing about them: the default holds only where no policy says any.
/// </summary>
public static class PolicyMerge
{
    private const string Captures = "captures";

    /// <summary>The order of precedence: what comes first wins.</summary>
    public static int Compare(string kind, string name, string otherKind, string otherName)
    {
        var byKind = (kind == ProfilePolicy.ClusterKind).CompareTo(otherKind == ProfilePolicy.ClusterKind);
        return byKind != 0 ? byKind : string.CompareOrdinal(name, otherName);
    }

    /// <summary>What holds for one container; null: no policy watches it.</summary>
    /// <param name="policies">The policies that select the pod, in any order.</param>
    public static EffectivePolicy? For(string container, IReadOnlyList<ReadPolicy> policies)
    {
        var ordered = policies
            .Where(policy => policy.Spec.Containers.Count == 0 || policy.Spec.Containers.Contains(container))
            .DistinctBy(policy => (policy.Kind, policy.Name))
            .ToList();
        if (ordered.Count == 0)
            return null;
        ordered.Sort(static (a, b) => Compare(a.Kind, a.Name, b.Kind, b.Name));
        var shadowed = new List<ShadowedField>();
        var triggers = Union(ordered, policy => policy.Spec.Triggers, trigger => trigger.Name, "triggers", shadowed);
        var captures = Union(
            ordered,
            policy => policy.Spec.Said.Contains(Captures) ? policy.Spec.Captures : [],
            capture => capture.Type.ToString(),
            Captures,
            shadowed);
        var spec = ordered[0].Spec with
        {
            Containers = [container],
            Triggers = [.. triggers.Select(taken => taken.Item)],
            Captures = captures.Count > 0 ? [.. captures.Select(taken => taken.Item)] : ordered[0].Spec.Captures,
            Runtime = First(ordered, "runtime", one => one.Runtime, shadowed),
            Limits = First(ordered, "limits", one => one.Limits, shadowed),
            FlightRecorder = First(ordered, "flightRecorder", one => one.FlightRecorder, shadowed),
            Go = First(ordered, "go", one => one.Go, shadowed),
            Storage = First(ordered, "storage", one => one.Storage, shadowed),
            Said = ordered.SelectMany(policy => policy.Spec.Said).ToHashSet(StringComparer.Ordinal),
        };
        return new EffectivePolicy(
            spec,
            triggers.ToDictionary(taken => taken.Item.Name, taken => taken.Policy.Reference, StringComparer.Ordinal),
            shadowed);
    }

    private static List<(T Item, ReadPolicy Policy)> Union<T>(
        List<ReadPolicy> ordered, Func<ReadPolicy, IReadOnlyList<T>> items, Func<T, string> key, string field, List<ShadowedField> shadowed)
        where T : notnull
    {
        var taken = new List<(T Item, ReadPolicy Policy)>();
        foreach (var policy in ordered)
            foreach (var item in items(policy))
            {
                var winner = taken.Find(one => key(one.Item) == key(item));
                if (winner.Policy is null)
                    taken.Add((item, policy));
                else if (!winner.Item.Equals(item))
                    shadowed.Add(new ShadowedField(policy.Reference, $"spec.{field}[{key(item)}]", winner.Policy.Reference));
            }
        return taken;
    }

    private static T First<T>(List<ReadPolicy> ordered, string field, Func<ProfilePolicySpec, T> value, List<ShadowedField> shadowed)
    {
        // Where nobody says it, it is the default, and that is the same for all.
        var winner = ordered.Find(policy => policy.Spec.Said.Contains(field)) ?? ordered[0];
        foreach (var policy in ordered)
            if (policy != winner && policy.Spec.Said.Contains(field) && !Equals(value(policy.Spec), value(winner.Spec)))
                shadowed.Add(new ShadowedField(policy.Reference, $"spec.{field}", winner.Reference));
        return value(winner.Spec);
    }
}

/// <summary>A policy as it was read, with what names it.</summary>
public sealed record ReadPolicy(string Kind, string Name, string? Namespace, ProfilePolicySpec Spec)
{
    public PolicyReference Reference => new(Name, Namespace);
}

/// <param name="Spec">The merged one.</param>
/// <param name="PolicyOf">Whose each trigger is, by the trigger's name.</param>
/// <param name="Shadowed">What of a policy does not count here because another says otherwise.</param>
public sealed record EffectivePolicy(
    ProfilePolicySpec Spec,
    IReadOnlyDictionary<string, PolicyReference> PolicyOf,
    IReadOnlyList<ShadowedField> Shadowed);

/// <param name="Policy">Whose field it is.</param>
/// <param name="Path">Which field: <c>spec.triggers[near-limit]</c>, <c>spec.storage</c>.</param>
/// <param name="By">The policy that wins.</param>
public sealed record ShadowedField(PolicyReference Policy, string Path, PolicyReference By);
