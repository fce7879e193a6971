using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>
/// The leader's: takes requests to their pods, and gives up what nobody will bring to its end any more: requests without an answer, and
/// captures whose pod is gone.
/// </summary>
internal sealed class CaptureController
{
    /// <summary>A report may still be on its way, and its token good for a minute.</summary>
    private static readonly TimeSpan AfterPod = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<ResourceKey, long> _withoutPodSince = new();
    private readonly ResourceApi<ProfileCapture> _captures;
    private readonly ResourceApi<Pod> _podApi;
    private readonly Informer<Pod> _pods;
    private readonly CaptureIndex _index;
    private readonly RequestTurns _turns;
    private readonly Func<Pod, IReadOnlyList<PolicyView>> _selecting;
    private readonly EventSink _events;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly WorkQueue<ResourceKey> _queue;
    private volatile bool _isLeading;

    /// <summary>Make it before the informers run.</summary>
    public CaptureController(
        ResourceApi<ProfileCapture> captures,
        ResourceApi<Pod> podApi,
        Informer<Pod> pods,
        CaptureIndex index,
        RequestTurns turns,
        Func<Pod, IReadOnlyList<PolicyView>> selecting,
        EventSink events,
        TimeProvider time,
        ILogger log)
    {
        (_captures, _podApi, _pods, _index, _turns, _selecting) = (captures, podApi, pods, index, turns, selecting);
        (_events, _time, _log) = (events, time, log);
        _queue = new WorkQueue<ResourceKey>(new Backoff(TimeSpan.FromMilliseconds(200), TimeSpan.FromMinutes(1)), time);
        index.OnChange((_, now) => Look(now));
        turns.TurnCame = key => Look(index.Get(key));
        pods.OnChange((old, now) =>
        {
            if (!_isLeading || (now is not null && !PodContainers.HasEnded(now) && old?.Metadata.Uid == now.Metadata.Uid))
                return;
            foreach (var capture in index.OfPod(ResourceKey.Of((now ?? old)!)))
                Look(capture);
        });
    }

    /// <summary>Leads until it is cancelled. The informers have synced.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        _isLeading = true;
        foreach (var capture in _index.All)
            Look(capture);
        try
        {
            await new Controller<ResourceKey>("captures", _queue, ReconcileAsync, new ControllerOptions(), _time, _log).RunAsync(ct);
        }
        finally
        {
            _isLeading = false;
        }
    }

    internal async Task<ReconcileResult> ReconcileAsync(ResourceKey key, CancellationToken ct)
    {
        if (_index.Get(key) is not { Metadata.DeletionTimestamp: null } capture || CaptureRecords.HasEnded(capture))
        {
            _withoutPodSince.TryRemove(key, out _);
            return ReconcileResult.Done;
        }
        if (capture.Status?.CaptureId is not null)
            return await OfCaptureAsync(key, capture, ct);
        return CaptureRecords.IsRequest(capture) ? await OfRequestAsync(key, capture, ct) : ReconcileResult.Done;
    }

    private void Look(ProfileCapture? capture)
    {
        if (_isLeading && capture is not null && !CaptureRecords.HasEnded(capture))
            _queue.Add(ResourceKey.Of(capture));
    }

    private async Task<ReconcileResult> OfRequestAsync(ResourceKey key, ProfileCapture request, CancellationToken ct)
    {
        var podKey = new ResourceKey(key.Namespace, request.Spec.PodName);
        // A pod that is newer than the copy.
        var pod = _pods.Get(podKey) ?? (request.Spec.PodName.Length == 0 ? null : await _podApi.GetAsync(podKey, ct));
        var now = _time.GetUtcNow();
        switch (RequestDecision.For(request, pod, pod is null ? [] : _selecting(pod), now))
        {
            case RequestDecision.Wait(_, IsNew: true, _) when !_turns.TryTake(request):
                if (request.Status?.Conditions?.Any(condition => condition.Reason == RecordReasons.Queued) != true)
                    await WriteAsync(
                        request,
                        new ProfileCaptureStatus { Phase = CapturePhase.Pending },
                        // Not "False": that it waits for its sidecar is another state, whose time begins anew.
                        new Condition(CaptureRecords.CompleteCondition, "Unknown", RecordReasons.Queued, "as many requested captures are under way in the cluster as the operator's max-requested-captures allows; the oldest request is next"),
                        now,
                        ct);
                return ReconcileResult.Done;
            case RequestDecision.Wait(var uid, IsNew: true, var within):
                try
                {
                    await WriteAsync(
                        request,
                        new ProfileCaptureStatus { Phase = CapturePhase.Pending, PodUid = uid },
                        new Condition(CaptureRecords.CompleteCondition, "False", RecordReasons.Waiting, $"handed to the sidecar of {request.Spec.PodName}, which has {RequestDecision.AnswerWithin.TotalMinutes:0} minutes to answer"),
                        now,
                        ct);
                }
                catch
                {
                    _turns.GiveBack(request);
                    throw;
                }
                Log.CaptureRequested(_log, key, request.Spec.PodName);
                return ReconcileResult.After(within);
            case RequestDecision.Wait wait:
                return ReconcileResult.After(wait.AtMost);
            case RequestDecision.Fail(var reason, var detail):
                await FailAsync(request, reason, detail, now, ct);
                return ReconcileResult.Done;
            default:
                throw new InvalidOperationException();
        }
    }

    /// <summary>The sidecar brings a capture to its end, however often it is started anew; without the pod there is no sidecar.</summary>
    private async Task<ReconcileResult> OfCaptureAsync(ResourceKey key, ProfileCapture capture, CancellationToken ct)
    {
        var pod = _pods.Get(new ResourceKey(key.Namespace, capture.Spec.PodName));
        if (pod is not null && pod.Metadata.Uid == capture.Status!.PodUid && !PodContainers.HasEnded(pod))
        {
            _withoutPodSince.TryRemove(key, out _);
            return ReconcileResult.Done;
        }
        var since = _withoutPodSince.GetOrAdd(key, _ => _time.GetTimestamp());
        if (AfterPod - _time.GetElapsedTime(since) is var left && left > TimeSpan.Zero)
            return ReconcileResult.After(left);
        await FailAsync(capture, RecordReasons.PodEnded, "the pod ended before its sidecar told the end of the capture: what it has stored stands in the bucket, whole where there is a manifest.json", _time.GetUtcNow(), ct);
        _withoutPodSince.TryRemove(key, out _);
        return ReconcileResult.Done;
    }

    private async Task FailAsync(ProfileCapture capture, string reason, string detail, DateTimeOffset now, CancellationToken ct)
    {
        await WriteAsync(
            capture,
            new ProfileCaptureStatus { Phase = CapturePhase.Failed, CompletedAt = CaptureRecords.Seconds(now) },
            new Condition(CaptureRecords.CompleteCondition, "False", reason, detail),
            now,
            ct);
        Log.CaptureGivenUp(_log, ResourceKey.Of(capture), reason, detail);
        _events(References.To(capture), EventKind.Warning, reason, detail);
    }

    /// <summary>Only what is new: the copy here does not have all of the status.</summary>
    private async Task WriteAsync(ProfileCapture capture, ProfileCaptureStatus news, Condition condition, DateTimeOffset now, CancellationToken ct)
    {
        var status = JsonSerializer.SerializeToNode(news, ResourceJson.Options)!.AsObject();
        // A list is replaced as a whole; a capture that has begun and is given up says why beside whether it is stored.
        var conditions = capture.Status?.CaptureId is null
            ? capture.Status?.Conditions
            : (await _captures.GetAsync(ResourceKey.Of(capture), ct))?.Status?.Conditions;
        status["conditions"] = JsonSerializer.SerializeToNode(CaptureRecords.With(conditions, now, condition), ResourceJson.Options);
        var body = new JsonObject
        {
            ["metadata"] = new JsonObject { ["resourceVersion"] = capture.Metadata.ResourceVersion },
            ["status"] = status,
        };
        try
        {
            await _captures.PatchStatusAsync(ResourceKey.Of(capture), new ResourcePatch.Merge(body), ct);
        }
        catch (ApiException e) when (e.IsNotFound)
        {
            // It was deleted meanwhile.
        }
    }
}
