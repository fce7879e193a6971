using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>
/// The leader's: every OOM kill of a watched container has exactly one record, with a capture or without one and why, and is counted once. What is
/// done stands on the objects: on the record whose kill it is, and on the pod which of its kills have theirs.
/// </summary>
internal sealed class OomKillWatch
{
    private readonly ConcurrentDictionary<OomKill, Seen> _seen = new();
    private readonly ResourceApi<ProfileCapture> _captures;
    private readonly ResourceApi<Pod> _podApi;
    private readonly Informer<Pod> _pods;
    private readonly CaptureIndex _index;
    private readonly Func<Pod, IReadOnlyList<PolicyView>> _selecting;
    private readonly Workloads _workloads;
    private readonly EventSink _events;
    private readonly RecordMetrics _metrics;
    private readonly OomKillOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly WorkQueue<OomKill> _queue;
    private DateTimeOffset? _leadsSince;

    /// <summary>Make it before the informers run.</summary>
    public OomKillWatch(
        ResourceApi<ProfileCapture> captures,
        ResourceApi<Pod> podApi,
        Informer<Pod> pods,
        CaptureIndex index,
        Func<Pod, IReadOnlyList<PolicyView>> selecting,
        Workloads workloads,
        EventSink events,
        RecordMetrics metrics,
        OomKillOptions options,
        TimeProvider time,
        ILogger log)
    {
        (_captures, _podApi, _pods, _index, _selecting) = (captures, podApi, pods, index, selecting);
        (_workloads, _events, _metrics, _options, _time, _log) = (workloads, events, metrics, options, time, log);
        _queue = new WorkQueue<OomKill>(new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1)), time);
        pods.OnChange((old, now) => Look(now ?? old!));
        index.OnChange((_, now) => Look(now));
    }

    /// <summary>Leads until it is cancelled. The informers have synced.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        _leadsSince = _time.GetUtcNow();
        foreach (var pod in _pods.List())
            Look(pod);
        var options = new ControllerOptions { Workers = 1 };
        try
        {
            await new Controller<OomKill>("oom-kills", _queue, ReconcileAsync, options, _time, _log).RunAsync(ct);
        }
        finally
        {
            _leadsSince = null;
        }
    }

    internal async Task<ReconcileResult> ReconcileAsync(OomKill kill, CancellationToken ct)
    {
        var now = _time.GetUtcNow();
        var alive = _pods.Get(kill.PodKey) is { } pod && pod.Metadata.Uid == kill.PodUid ? pod : null;
        var seen = _seen.GetValueOrDefault(kill);
        var last = alive ?? seen?.Pod;
        if (kill.Container == Names.SidecarContainer)
            return await OfSidecarAsync(kill, alive, now, ct);

        var records = _index.OfPod(kill.PodKey);
        var marked = records.FirstOrDefault(record => OomKills.MarkOf(record) == kill.ContainerId);
        var candidate = OomKills.Match(kill, records);
        if (marked is null && alive is not null && OomKills.IsRecorded(alive, kill))
        {
            // Its record was deleted, and is not wanted any more.
            await CorrectAsync(kill, records, ct);
            return Forget(kill);
        }
        if (marked is null && candidate is null)
        {
            // What happened before there was a policy was nobody's to watch.
            if (last is null || PodContainers.Watching(last, kill.Container, _selecting(last)).FirstOrDefault(policy => !(policy.CreatedAt > kill.FinishedAt)) is not { } policy)
                return Forget(kill);
            var due = PodContainers.IsInjected(last) ? Later(kill.FinishedAt + _options.Grace, _leadsSince + _options.GraceAfterStart, seen?.At + _options.Grace) : now;
            if (due > now)
                return ReconcileResult.After(due - now);
            await RecordNothingAsync(kill, last, policy, seen?.At ?? now, ct);
        }
        else if (marked is null || OomKills.IsPlaceholder(marked))
        {
            if (candidate is null)
            {
                if (marked!.Status?.Phase is null && last is not null)
                    await WriteStatusAsync(kill, last, marked, ct);
                await MarkPodAsync(kill, alive, ct);
                return Forget(kill);
            }
            if (!CaptureRecords.HasEnded(candidate) && now < kill.FinishedAt + _options.CapturingAtMost)
                return ReconcileResult.After(TimeSpan.FromSeconds(5));
            await MarkAsync(kill, candidate, marked, seen?.At ?? now, ct);
        }
        else
        {
            await SetKilledAsync(kill, marked, ct);
        }
        var taken = marked is null || OomKills.IsPlaceholder(marked) ? candidate : marked;
        await CorrectAsync(kill, records.Where(record => !ReferenceEquals(record, taken)), ct);
        await MarkPodAsync(kill, alive, ct);
        return Forget(kill);
    }

    private void Look(Pod pod)
    {
        if (_leadsSince is null)
            return;
        foreach (var kill in OomKills.Of(pod))
            if (!OomKills.IsRecorded(pod, kill))
            {
                _seen.AddOrUpdate(kill, _ => new Seen(pod, _time.GetUtcNow()), (_, seen) => seen with { Pod = pod });
                _queue.Add(kill);
            }
    }

    /// <summary>A report that came late takes the place of a record without a capture, or knows less of the end than is known.</summary>
    private void Look(ProfileCapture? record)
    {
        if (_leadsSince is null || record?.Status?.CaptureId is null || OomKills.MarkOf(record) is not null)
            return;
        var pod = new ResourceKey(record.Metadata.Namespace, record.Spec.PodName);
        foreach (var other in _index.OfPod(pod))
            if (OomKills.Of(other) is { } kill && kill.Container == CaptureRecords.ContainerOf(record))
                _queue.Add(kill);
        if (record.Status.Outcome == CaptureOutcome.Exited && _pods.Get(pod) is { } alive)
            foreach (var kill in OomKills.Of(alive))
                if (OomKills.Mistaken(kill, [record]).Any())
                    _queue.Add(kill);
    }

    /// <summary>No record, since nothing of the workload's was lost; but somebody should give it more memory.</summary>
    private async Task<ReconcileResult> OfSidecarAsync(OomKill kill, Pod? pod, DateTimeOffset now, CancellationToken ct)
    {
        if (pod is null || OomKills.IsRecorded(pod, kill))
            return Forget(kill);
        if (OomKills.IsCounted(kill, now))
        {
            Log.SidecarKilled(_log, kill.PodKey);
            var message = $"the sidecar of {kill.Pod} was OOM-killed: give it more memory in spec.sidecar.resources of its policy";
            _events(References.To(pod), EventKind.Warning, RecordReasons.SidecarOOMKilled, message);
            foreach (var policy in _selecting(pod))
                _events(References.To(policy), EventKind.Warning, RecordReasons.SidecarOOMKilled, message);
        }
        await MarkPodAsync(kill, pod, ct);
        return Forget(kill);
    }

    private async Task RecordNothingAsync(OomKill kill, Pod pod, PolicyView policy, DateTimeOffset firstSeen, CancellationToken ct)
    {
        var selecting = _selecting(pod);
        var why = Explanations.NothingOf(kill, pod, selecting);
        var workload = await _workloads.OfAsync(pod, ct);
        ProfileCapture record;
        try
        {
            record = await _captures.CreateAsync(OomKills.Placeholder(kill, pod, workload, policy), kill.Namespace, ct);
        }
        catch (ApiException e) when (e.IsAlreadyExists)
        {
            // The copy does not have it yet.
            return;
        }
        catch (ApiException e) when (e.IsNotFound)
        {
            // The namespace is gone, and everything with it.
            return;
        }
        Count(kill, hasArtifact: false, firstSeen);
        Log.KillWithoutCapture(_log, kill.PodKey, kill.Container, kill.FinishedAt, why.Reason, why.Detail);
        var message = $"{kill.Container} was OOM-killed, and nothing was captured: {why.Reason}: {why.Detail}";
        _events(References.To(pod), EventKind.Warning, RecordReasons.OOMKilledWithoutCapture, message);
        _events(References.To(record), EventKind.Warning, RecordReasons.OOMKilledWithoutCapture, message);
        if (workload is not null)
            _events(workload.In(kill.Namespace), EventKind.Warning, RecordReasons.OOMKilledWithoutCapture, message);
        await WriteStatusAsync(kill, pod, record, ct);
    }

    private async Task WriteStatusAsync(OomKill kill, Pod pod, ProfileCapture record, CancellationToken ct)
    {
        var status = OomKills.PlaceholderStatus(kill, pod, Explanations.NothingOf(kill, pod, _selecting(pod)), _time.GetUtcNow());
        await _captures.PatchStatusAsync(ResourceKey.Of(record), StatusPatch.Between(record.Status, status, record.Metadata.ResourceVersion)!, ct);
    }

    /// <param name="placeholder">What has stood for the kill until now.</param>
    private async Task MarkAsync(OomKill kill, ProfileCapture record, ProfileCapture? placeholder, DateTimeOffset firstSeen, CancellationToken ct)
    {
        var marked = await _captures.PatchAsync(
            ResourceKey.Of(record),
            new ResourcePatch.Merge(new JsonObject
            {
                ["metadata"] = new JsonObject
                {
                    ["resourceVersion"] = record.Metadata.ResourceVersion,
                    ["annotations"] = new JsonObject { [RecordNames.OomKillAnnotation] = kill.ContainerId },
                },
            }),
            ct);
        if (placeholder is null)
        {
            Count(kill, CaptureRecords.HasArtifact(marked), firstSeen);
            Log.KillRecorded(_log, kill.PodKey, kill.Container, kill.FinishedAt, record.Metadata.Name, CaptureRecords.HasArtifact(marked));
        }
        else if (await _captures.DeleteAsync(ResourceKey.Of(placeholder), new DeleteRequest(placeholder.Metadata.Uid), ct))
        {
            Log.KillSuperseded(_log, kill.PodKey, placeholder.Metadata.Name);
        }
        await SetKilledAsync(kill, marked, ct);
    }

    /// <summary>One kill ends every capture of the life: those that are not its record say so too.</summary>
    private async Task CorrectAsync(OomKill kill, IEnumerable<ProfileCapture> records, CancellationToken ct)
    {
        foreach (var record in OomKills.Mistaken(kill, [.. records]))
            await SetKilledAsync(kill, record, ct);
    }

    private async Task SetKilledAsync(OomKill kill, ProfileCapture record, CancellationToken ct)
    {
        if (record.Status?.Outcome == CaptureOutcome.OOMKilled)
            return;
        var why = $"the kubelet: the container was OOM-killed at {kill.FinishedAt.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}"
            + (record.Status?.Outcome == CaptureOutcome.Survived ? ", after it had survived the capture" : "");
        await _captures.PatchStatusAsync(
            ResourceKey.Of(record),
            new ResourcePatch.Merge(new JsonObject
            {
                ["metadata"] = new JsonObject { ["resourceVersion"] = record.Metadata.ResourceVersion },
                ["status"] = new JsonObject { ["outcome"] = nameof(CaptureOutcome.OOMKilled), ["outcomeReason"] = why },
            }),
            ct);
    }

    private async Task MarkPodAsync(OomKill kill, Pod? pod, CancellationToken ct)
    {
        if (pod is null || OomKills.IsRecorded(pod, kill))
            return;
        var patch = new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["uid"] = kill.PodUid,
                ["annotations"] = new JsonObject { [RecordNames.RecordedKillsAnnotation] = OomKills.WithRecorded(pod, kill) },
            },
        };
        try
        {
            await _podApi.PatchAsync(kill.PodKey, new ResourcePatch.Merge(patch), ct);
        }
        catch (ApiException e) when (e.IsNotFound || e.IsConflict)
        {
            // It is gone, or another has its name.
        }
    }

    private void Count(OomKill kill, bool hasArtifact, DateTimeOffset firstSeen)
    {
        if (OomKills.IsCounted(kill, firstSeen))
            _metrics.OomKill(hasArtifact, _time.GetUtcNow() - kill.FinishedAt);
    }

    private ReconcileResult Forget(OomKill kill)
    {
        _seen.TryRemove(kill, out _);
        return ReconcileResult.Done;
    }

    private static DateTimeOffset Later(DateTimeOffset a, params ReadOnlySpan<DateTimeOffset?> others)
    {
        foreach (var other in others)
            if (other > a)
                a = other.Value;
        return a;
    }

    private sealed record Seen(Pod Pod, DateTimeOffset At);
}
