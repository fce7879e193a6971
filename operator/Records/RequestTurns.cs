using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>
/// Whose turn it is among the captures that users ask for: so many are under way at a time in the whole cluster, the oldest request first.
/// Captures that a trigger fires never wait. Make it before the informers run; only the leader takes turns.
/// </summary>
internal sealed class RequestTurns
{
    private readonly Lock _lock = new();
    private readonly SortedSet<(DateTimeOffset Asked, ResourceKey Key)> _waiting = new(Comparer<(DateTimeOffset Asked, ResourceKey Key)>.Create(static (a, b) =>
        a.Asked != b.Asked ? a.Asked.CompareTo(b.Asked) : string.CompareOrdinal(a.Key.ToString(), b.Key.ToString())));
    private readonly Dictionary<ResourceKey, DateTimeOffset> _asked = [];
    private readonly HashSet<ResourceKey> _underWay = [];
    private readonly int _atOnce;

    public RequestTurns(CaptureIndex index, int atOnce)
    {
        _atOnce = atOnce;
        foreach (var capture in index.All)
            Change(null, capture);
        index.OnChange(Change);
    }

    /// <summary>Told of a request that waits when its turn may have come; it must not wait itself.</summary>
    public Action<ResourceKey>? TurnCame { get; set; }

    /// <summary>Takes a turn, which ends with the request.</summary>
    public bool TryTake(ProfileCapture request)
    {
        var key = ResourceKey.Of(request);
        lock (_lock)
        {
            if (_underWay.Contains(key))
                return true;
            var free = _atOnce - _underWay.Count;
            if (free <= 0 || _waiting.TakeWhile(waiting => waiting.Key != key).Take(free).Count() == free)
                return false;
            TakeFromLineNeedsLock(key);
            _underWay.Add(key);
            return true;
        }
    }

    /// <summary>Gives a turn back that was not used: the request could not be written.</summary>
    public void GiveBack(ProfileCapture request)
    {
        lock (_lock)
            if (_underWay.Remove(ResourceKey.Of(request)))
                StandInLineNeedsLock(request);
    }

    private void Change(ProfileCapture? old, ProfileCapture? now)
    {
        if ((now ?? old) is not { } request || !CaptureRecords.IsRequest(request))
            return;
        var key = ResourceKey.Of(request);
        (DateTimeOffset Asked, ResourceKey Key)[] next = [];
        lock (_lock)
        {
            TakeFromLineNeedsLock(key);
            if (now is { Metadata.DeletionTimestamp: null } && !CaptureRecords.HasEnded(now))
            {
                // One that has just taken its turn may come by here once more as it was.
                if (now.Status?.PodUid is not null)
                    _underWay.Add(key);
                else if (!_underWay.Contains(key))
                    StandInLineNeedsLock(now);
            }
            else
            {
                _underWay.Remove(key);
                next = [.. _waiting.Take(Math.Max(0, _atOnce - _underWay.Count))];
            }
        }
        foreach (var (_, waiting) in next)
            TurnCame?.Invoke(waiting);
    }

    private void StandInLineNeedsLock(ProfileCapture request)
    {
        var (key, asked) = (ResourceKey.Of(request), request.Metadata.CreationTimestamp ?? default);
        _asked[key] = asked;
        _waiting.Add((asked, key));
    }

    private void TakeFromLineNeedsLock(ResourceKey key)
    {
        if (_asked.Remove(key, out var asked))
            _waiting.Remove((asked, key));
    }
}
