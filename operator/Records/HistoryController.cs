using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>The leader's: deletes the oldest records of a policy that has more than its <c>historyLimit</c>.</summary>
internal sealed class HistoryController
{
    // Records come in bursts, and one look at a namespace serves all of them.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly ResourceApi<ProfileCapture> _captures;
    private readonly CaptureIndex _index;
    private readonly PolicyIndex _policies;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly WorkQueue<string> _queue;
    private volatile bool _isLeading;

    /// <summary>Make it before the informers run.</summary>
    public HistoryController(ResourceApi<ProfileCapture> captures, CaptureIndex index, PolicyIndex policies, TimeProvider time, ILogger log)
    {
        (_captures, _index, _policies, _time, _log) = (captures, index, policies, time, log);
        _queue = new WorkQueue<string>(new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(2)), time);
        index.OnChange((_, now) =>
        {
            if (now is not null && CaptureRecords.HasEnded(now))
                Look(now.Metadata.Namespace!);
        });
        policies.OnChange((old, now) =>
        {
            if (ReferenceEquals(old, now))
                return;
            foreach (var @namespace in (now ?? old)!.Namespace is { } own ? [own] : index.Namespaces)
                Look(@namespace);
        });
    }

    /// <summary>Leads until it is cancelled. The informers have synced.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        _isLeading = true;
        foreach (var @namespace in _index.Namespaces)
            Look(@namespace);
        try
        {
            await new Controller<string>("history", _queue, ReconcileAsync, new ControllerOptions { Workers = 1 }, _time, _log).RunAsync(ct);
        }
        finally
        {
            _isLeading = false;
        }
    }

    internal async Task<ReconcileResult> ReconcileAsync(string @namespace, CancellationToken ct)
    {
        var policies = _policies.For(@namespace).ToDictionary(PolicyKey.Of);
        var deleted = 0;
        foreach (var capture in CaptureHistory.TooMany(_index.Of(@namespace), LimitOf, _time.GetUtcNow()))
            if (await _captures.DeleteAsync(ResourceKey.Of(capture), new DeleteRequest(capture.Metadata.Uid, "Background"), ct))
                deleted++;
        if (deleted > 0)
            Log.HistoryPruned(_log, @namespace, deleted);
        return ReconcileResult.Done;

        // Of a policy that is invalid now nobody knows its limit: the default is the least surprise.
        int? LimitOf(PolicyKey key) =>
            policies.TryGetValue(key, out var policy) ? policy.Reading.Policy?.Spec.HistoryLimit ?? CaptureHistory.DefaultLimit : null;
    }

    private void Look(string @namespace)
    {
        if (_isLeading)
            _queue.AddAfter(@namespace, Pause);
    }
}
