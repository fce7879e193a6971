using Premortem.Contracts;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Policies;

/// <summary>
/// Counts the pods of each policy, by what is known of them. A change of a pod changes the counts by that pod: no other is looked at. May be
/// called from any thread.
/// </summary>
/// <param name="standingOf">How a pod stands now, read anew; null: there is none of that name, or it is of no interest.</param>
internal sealed class PolicyStatuses(Func<ResourceKey, PodStanding?> standingOf)
{
    private const int MaxExamples = 3;
    private readonly Lock _lock = new();
    private readonly Dictionary<ResourceKey, PodStanding> _pods = [];
    private readonly Dictionary<PolicyKey, Counts> _policies = [];
    private int _injected, _missed, _unreachable, _refused;

    /// <summary>Told, under the lock, of each policy whose counts have changed; it must not wait.</summary>
    public Action<PolicyKey>? OnChange { get; set; }

    /// <summary>Looks at a pod again.</summary>
    /// <returns>Whether its sidecar's settings may have to change: other policies select it, or they are not what they were.</returns>
    public bool Refresh(ResourceKey pod)
    {
        lock (_lock)
        {
            // Read under the lock: of two that refresh one pod, the later one has the newer view.
            var now = standingOf(pod);
            _pods.TryGetValue(pod, out var old);
            if (old is null ? now is null : old.Equals(now))
                return false;
            Count_NeedsLock(pod, old, -1);
            Count_NeedsLock(pod, now, +1);
            if (now is null)
                _pods.Remove(pod);
            else
                _pods[pod] = now;
            foreach (var key in (old?.Policies ?? []).Concat(now?.Policies ?? []).Select(policy => policy.Key).Distinct())
                OnChange?.Invoke(key);
            return now is { IsInjected: true } && (old is not { IsInjected: true } || !old.Policies.SequenceEqual(now.Policies));
        }
    }

    public PolicyTally Read(PolicyKey policy)
    {
        lock (_lock)
            return _policies.TryGetValue(policy, out var counts) ? Tally_NeedsLock(policy, counts) : PolicyTally.Empty;
    }

    /// <summary>All pods that are known here, of one namespace or of all.</summary>
    public IReadOnlyList<ResourceKey> Pods(string? @namespace = null)
    {
        lock (_lock)
            return [.. _pods.Keys.Where(pod => @namespace is null || pod.Namespace == @namespace)];
    }

    public IReadOnlyList<ResourceKey> InjectedPods()
    {
        lock (_lock)
            return [.. _pods.Where(pod => pod.Value.IsInjected).Select(pod => pod.Key)];
    }

    /// <summary>For metrics: how many pods there are of each state.</summary>
    public (int Injected, int Missed, int StorageUnreachable, int SettingsRefused) Totals()
    {
        lock (_lock)
            return (_injected, _missed, _unreachable, _refused);
    }

    private void Count_NeedsLock(ResourceKey pod, PodStanding? standing, int by)
    {
        if (standing is null)
            return;
        var isUnreachable = standing.Storage?.Reachable == false;
        _injected += standing.IsInjected ? by : 0;
        _missed += standing.IsInjected ? 0 : by;
        _unreachable += isUnreachable ? by : 0;
        _refused += standing.SettingsError is not null ? by : 0;
        foreach (var (key, _, _) in standing.Policies)
        {
            if (!_policies.TryGetValue(key, out var counts))
                _policies[key] = counts = new Counts();
            counts.Matched += by;
            if (standing.IsInjected)
                counts.Injected += by;
            else
                Counts.Change(counts.Missed, standing.Missed!, pod, by);
            counts.Reported += standing.HasReported ? by : 0;
            if (standing.Storage?.Reachable == true)
                counts.StorageReached += by;
            if (isUnreachable)
                Counts.Change(counts.Unreachable, standing.Storage!.Reason ?? Reasons.Unexpected, pod, by);
            if (standing.SettingsError is not null)
                Counts.Change(counts.Settings, Counts.Refused, pod, by);
            else if (standing.IsBehind)
                Counts.Change(counts.Settings, Counts.Behind, pod, by);
            if (counts.Matched == 0)
                _policies.Remove(key);
        }
    }

    private PolicyTally Tally_NeedsLock(PolicyKey policy, Counts counts) => new()
    {
        Matched = counts.Matched,
        Injected = counts.Injected,
        Missed = [.. ByCount(counts.Missed).Select(reason => new MissedPods(reason.Key, reason.Value.Count, [.. reason.Value.Take(MaxExamples).Select(pod => Shown(policy, pod))]))],
        StorageReached = counts.StorageReached,
        Reported = counts.Reported,
        StorageProblems = [.. ByCount(counts.Unreachable).Select(reason => Problem_NeedsLock(policy, reason.Key, reason.Value, pod => pod.Storage?.Message))],
        Refused = counts.Settings.TryGetValue(Counts.Refused, out var refused) ? Problem_NeedsLock(policy, Counts.Refused, refused, pod => pod.SettingsError) : null,
        Behind = counts.Settings.TryGetValue(Counts.Behind, out var behind) ? Problem_NeedsLock(policy, Counts.Behind, behind, _ => null) : null,
    };

    private PodProblem Problem_NeedsLock(PolicyKey policy, string reason, SortedSet<ResourceKey> pods, Func<PodStanding, string?> message) =>
        new(reason, pods.Count, Shown(policy, pods.Min), message(_pods[pods.Min]) ?? "");

    private static IEnumerable<KeyValuePair<string, SortedSet<ResourceKey>>> ByCount(Dictionary<string, SortedSet<ResourceKey>> reasons) =>
        reasons.OrderByDescending(reason => reason.Value.Count).ThenBy(reason => reason.Key, StringComparer.Ordinal);

    private static string Shown(PolicyKey policy, ResourceKey pod) => policy.IsClusterWide ? pod.ToString() : pod.Name;

    private sealed class Counts
    {
        public const string Refused = nameof(Refused);
        public const string Behind = nameof(Behind);

        private static readonly Comparer<ResourceKey> s_byName = Comparer<ResourceKey>.Create((a, b) =>
            string.CompareOrdinal(a.Namespace, b.Namespace) is var order and not 0 ? order : string.CompareOrdinal(a.Name, b.Name));

        public int Matched { get; set; }

        public int Injected { get; set; }

        public int StorageReached { get; set; }

        public int Reported { get; set; }

        public Dictionary<string, SortedSet<ResourceKey>> Missed { get; } = [];

        public Dictionary<string, SortedSet<ResourceKey>> Unreachable { get; } = [];

        public Dictionary<string, SortedSet<ResourceKey>> Settings { get; } = [];

        public static void Change(Dictionary<string, SortedSet<ResourceKey>> reasons, string reason, ResourceKey pod, int by)
        {
            if (!reasons.TryGetValue(reason, out var pods))
                reasons[reason] = pods = new SortedSet<ResourceKey>(s_byName);
            if (by > 0)
                pods.Add(pod);
            else if (pods.Remove(pod) && pods.Count == 0)
                reasons.Remove(reason);
        }
    }
}
