using Premortem.Contracts;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>
/// Takes reports into <c>ProfileCapture</c> objects. Several replicas may take reports of one capture at a time: the object's version decides,
/// and whoever comes second reads again.
/// </summary>
internal sealed class CaptureReports(
    ResourceApi<ProfileCapture> captures,
    ResourceApi<Pod> podApi,
    Func<ResourceKey, Pod?> pods,
    Workloads workloads,
    EventSink events,
    RecordMetrics metrics,
    TimeProvider time,
    ILogger log)
{
    private const int Attempts = 8;

    // A sidecar that comes back after an outage has a backlog; one that makes up captures is not to fill the cluster.
    private readonly PodRates _newRecords = new(perSecond: 0.1, burst: 30, pods: 20_000, time);

    public async Task<ReportAnswer> TakeAsync(PodIdentity identity, CaptureReport report, CancellationToken ct)
    {
        if (await FindPodAsync(identity, ct) is not { } pod)
            return ReportAnswer.Unauthenticated("the pod is deleted");
        var container = report.Record.Target.Container;
        if (!PodContainers.Of(pod).Contains(container))
            return ReportAnswer.Invalid("record.target.container", $"is '{RecordText.Clean(container, 253)}', but the pod has {string.Join(", ", PodContainers.Of(pod))}");
        var workload = await workloads.OfAsync(pod, ct);
        var isPaid = false;
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            var (current, refusal) = await FindAsync(identity, report, ct);
            if (refusal is not null)
                return refusal;
            if (current is null)
            {
                if (!isPaid && _newRecords.Take(identity.Uid) is { } wait)
                    return ReportAnswer.TooMany(wait);
                isPaid = true;
                try
                {
                    current = await captures.CreateAsync(CaptureRecords.New(report, pod, workload), identity.Namespace, ct);
                }
                catch (ApiException e) when (e.IsAlreadyExists)
                {
                    continue;
                }
            }
            if (current.Status is { } old && old.CaptureId == report.Record.Id && old.Sequence >= report.Sequence)
                return ReportAnswer.Unchanged;
            var status = CaptureRecords.Status(report, current, pod, time.GetUtcNow());
            try
            {
                var written = await captures.PatchStatusAsync(ResourceKey.Of(current), StatusPatch.Between(current.Status, status, current.Metadata.ResourceVersion)!, ct);
                Tell(report, current, written, status, pod, workload);
                return ReportAnswer.Taken;
            }
            catch (ApiException e) when (e.IsConflict || e.IsNotFound)
            {
                // Another replica was quicker, or somebody deleted it.
            }
        }
        return ReportAnswer.Unavailable("others write the same record all the time");
    }

    private async Task<Pod?> FindPodAsync(PodIdentity identity, CancellationToken ct)
    {
        if (pods(identity.Key) is { } known && known.Metadata.Uid == identity.Uid)
            return known;
        // It is newer than the copy, or it is gone.
        return await podApi.GetAsync(identity.Key, ct) is { } pod && pod.Metadata.Uid == identity.Uid ? pod : null;
    }

    /// <summary>The object that the report is about: the request's own, or the one that has the capture's name; null: there is none yet.</summary>
    private async Task<(ProfileCapture? Current, ReportAnswer? Refusal)> FindAsync(PodIdentity identity, CaptureReport report, CancellationToken ct)
    {
        if (report.Request is { } request
            && await captures.GetAsync(new ResourceKey(identity.Namespace, request.Name), ct) is { } asked
            && asked.Metadata.Uid == request.Uid)
        {
            if (asked.Spec.PodName != identity.Name)
                return (null, ReportAnswer.Forbidden("the ProfileCapture asks for another pod", "request.name"));
            // Another container of the same request may have it already.
            var isFree = asked.Status?.CaptureId is null || asked.Status.CaptureId == report.Record.Id;
            if (CaptureRecords.IsRequest(asked) && isFree && (asked.Status?.PodUid ?? identity.Uid) == identity.Uid)
                return (asked, null);
        }
        var current = await captures.GetAsync(new ResourceKey(identity.Namespace, CaptureRecords.NameOf(identity.Name, report.Record.Id)), ct);
        if (current is null)
            return (null, null);
        var owner = current.Status?.PodUid ?? current.Metadata.Labels?.GetValueOrDefault(RecordNames.PodUidLabel);
        return owner == identity.Uid && !CaptureRecords.IsRequest(current)
            ? (current, null)
            : (null, ReportAnswer.Forbidden("a capture of this id is another pod's", "record.id"));
    }

    private void Tell(CaptureReport report, ProfileCapture before, ProfileCapture written, ProfileCaptureStatus status, Pod pod, Workload? workload)
    {
        Log.CaptureRecorded(log, ResourceKey.Of(pod), report.Record.Id, report.Record.Target.Container, report.Record.Phase, status.Location);
        if (CaptureRecords.HasEnded(status.Phase) && !(before.Status?.CaptureId is not null && CaptureRecords.HasEnded(before)))
            metrics.Captured(report.Record.Phase, report.Record.Trigger.Kind);
        foreach (var told in CaptureEvents.Of(before.Status, status, report))
        {
            events(References.To(pod), told.Kind, told.Reason, told.Message);
            events(References.To(written), told.Kind, told.Reason, told.Message);
            if (told.IsForWorkload && workload is not null)
                events(workload.In(pod.Metadata.Namespace!), told.Kind, told.Reason, told.Message);
        }
    }
}
