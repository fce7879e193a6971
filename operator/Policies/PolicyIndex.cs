using System.Collections.Concurrent;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Policies;

/// <summary>All policies of the cluster, read once when they change. Reads never wait.</summary>
internal sealed class PolicyIndex
{
    private const string ClusterWide = "";
    private readonly Lock _lock = new();
    private readonly List<Action<PolicyView?, PolicyView?>> _handlers = [];

    /// <summary>By namespace, in order of precedence; the arrays never change. No namespace has an empty name.</summary>
    private readonly ConcurrentDictionary<string, PolicyView[]> _policies = new(StringComparer.Ordinal);

    public PolicyIndex(Informer<PolicyResource> policies, Informer<PolicyResource> clusterPolicies)
    {
        policies.OnChange(Apply);
        clusterPolicies.OnChange(Apply);
    }

    /// <summary>One that is told by <see cref="Apply"/> alone.</summary>
    internal PolicyIndex()
    {
    }

    /// <summary>
    /// Told of each change, on the informer's thread and never two at a time: (null, new), (old, new), (old, null), and (same, same) at a
    /// resync. What does not change the spec is no change. Register before the informers run; do not wait.
    /// </summary>
    public void OnChange(Action<PolicyView?, PolicyView?> handler) => _handlers.Add(handler);

    public IReadOnlyList<PolicyView> All => [.. _policies.Values.SelectMany(policies => policies)];

    /// <summary>Those that could select a pod of this namespace, in order of precedence.</summary>
    public IReadOnlyList<PolicyView> For(string @namespace)
    {
        var own = @namespace == ClusterWide ? [] : _policies.GetValueOrDefault(@namespace, []);
        var wide = _policies.GetValueOrDefault(ClusterWide, []);
        return own.Length == 0 ? wide : wide.Length == 0 ? own : [.. own, .. wide];
    }

    /// <summary>Null: there is none.</summary>
    public PolicyView? Get(ResourceKey key) =>
        Array.Find(_policies.GetValueOrDefault(key.Namespace ?? ClusterWide, []), policy => policy.Name == key.Name);

    internal void Apply(PolicyResource? old, PolicyResource? now)
    {
        if ((now ?? old) is not { } resource)
            return;
        var @namespace = resource.Metadata.Namespace ?? ClusterWide;
        lock (_lock)
        {
            var before = _policies.GetValueOrDefault(@namespace, []);
            var known = Array.Find(before, policy => policy.Name == resource.Metadata.Name);
            var view = now is null ? null : IsSame(known, now) ? known : PolicyView.From(now);
            if (!ReferenceEquals(view, known))
                Replace(@namespace, before, known, view);
            else if (!ReferenceEquals(old, now))
                return;
            foreach (var handler in _handlers)
                handler(known, view);
        }
    }

    private void Replace(string @namespace, PolicyView[] before, PolicyView? known, PolicyView? view)
    {
        var after = before.Where(policy => !ReferenceEquals(policy, known)).ToList();
        if (view is not null)
        {
            var at = after.BinarySearch(view, Comparer<PolicyView>.Create(PolicyView.Compare));
            after.Insert(at < 0 ? ~at : at, view);
        }
        if (after.Count == 0)
            _policies.TryRemove(@namespace, out _);
        else
            _policies[@namespace] = [.. after];
    }

    /// <summary>The server counts a generation for each change of the spec: a status is none.</summary>
    private static bool IsSame(PolicyView? known, PolicyResource now) =>
        known is not null && now.Metadata.Generation is { } generation && known.Generation == generation && known.Uid == now.Metadata.Uid;
}
