using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>All records of the cluster by namespace, by pod and by policy. Reads never wait. Make it before the informer runs.</summary>
internal sealed class CaptureIndex
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ResourceKey, ProfileCapture> _all = [];
    private readonly Dictionary<string, HashSet<ResourceKey>> _byNamespace = [];
    private readonly Dictionary<ResourceKey, HashSet<ResourceKey>> _byPod = [];
    private readonly Dictionary<PolicyKey, HashSet<ResourceKey>> _byPolicy = [];
    private readonly List<Action<ProfileCapture?, ProfileCapture?>> _handlers = [];

    public CaptureIndex(Informer<ProfileCapture> captures) => captures.OnChange(Change);

    internal CaptureIndex(IEnumerable<ProfileCapture> captures)
    {
        foreach (var capture in captures)
            Change(null, capture);
    }

    /// <summary>What of a record is kept here: not its table and its words, and of its artifacts the one that tells most.</summary>
    public static ProfileCapture Trim(ProfileCapture capture) => capture.Status is not { } status ? capture : capture with
    {
        Status = status with
        {
            Top = null,
            TriggerReason = null,
            Artifacts = status.Artifacts?.MaxBy(CaptureRecords.Worth) is { } best && CaptureRecords.IsWholeCapture(best) ? [best] : null,
            Conditions = status.CaptureId is null ? status.Conditions : null,
        },
    };

    /// <summary>Told after the index has changed, on the informer's thread.</summary>
    public void OnChange(Action<ProfileCapture?, ProfileCapture?> handler) => _handlers.Add(handler);

    public IReadOnlyList<ProfileCapture> All
    {
        get
        {
            lock (_lock)
                return [.. _all.Values];
        }
    }

    public IReadOnlyList<string> Namespaces
    {
        get
        {
            lock (_lock)
                return [.. _byNamespace.Keys];
        }
    }

    public ProfileCapture? Get(ResourceKey key)
    {
        lock (_lock)
            return _all.GetValueOrDefault(key);
    }

    public IReadOnlyList<ProfileCapture> Of(string @namespace)
    {
        lock (_lock)
            return ListNeedsLock(_byNamespace, @namespace);
    }

    public IReadOnlyList<ProfileCapture> OfPod(ResourceKey pod)
    {
        lock (_lock)
            return ListNeedsLock(_byPod, pod);
    }

    public IReadOnlyList<ProfileCapture> Of(PolicyKey policy)
    {
        lock (_lock)
            return ListNeedsLock(_byPolicy, policy);
    }

    internal void Change(ProfileCapture? old, ProfileCapture? now)
    {
        lock (_lock)
        {
            if ((old ?? now) is { } any && _all.Remove(ResourceKey.Of(any), out var known))
            {
                RemoveNeedsLock(_byNamespace, known.Metadata.Namespace!, known);
                RemoveNeedsLock(_byPod, PodOf(known), known);
                if (PolicyKey.Of(known) is { } policy)
                    RemoveNeedsLock(_byPolicy, policy, known);
            }
            if (now is not null)
            {
                _all[ResourceKey.Of(now)] = now;
                AddNeedsLock(_byNamespace, now.Metadata.Namespace!, now);
                AddNeedsLock(_byPod, PodOf(now), now);
                if (PolicyKey.Of(now) is { } policy)
                    AddNeedsLock(_byPolicy, policy, now);
            }
        }
        foreach (var handler in _handlers)
            handler(old, now);
    }

    private static ResourceKey PodOf(ProfileCapture capture) => new(capture.Metadata.Namespace, capture.Spec.PodName);

    private static void AddNeedsLock<TKey>(Dictionary<TKey, HashSet<ResourceKey>> index, TKey key, ProfileCapture capture)
        where TKey : notnull
    {
        if (!index.TryGetValue(key, out var keys))
            index[key] = keys = [];
        keys.Add(ResourceKey.Of(capture));
    }

    private static void RemoveNeedsLock<TKey>(Dictionary<TKey, HashSet<ResourceKey>> index, TKey key, ProfileCapture capture)
        where TKey : notnull
    {
        if (index.TryGetValue(key, out var keys) && keys.Remove(ResourceKey.Of(capture)) && keys.Count == 0)
            index.Remove(key);
    }

    private List<ProfileCapture> ListNeedsLock<TKey>(Dictionary<TKey, HashSet<ResourceKey>> index, TKey key)
        where TKey : notnull =>
        index.TryGetValue(key, out var keys) ? [.. keys.Select(name => _all[name])] : [];
}
