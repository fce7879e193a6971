using System.Globalization;
using Premortem.Contracts;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>What a report and its pod become in the cluster. Pure.</summary>
internal static class CaptureRecords
{
    public const string CompleteCondition = "Complete";
    public const string StoredCondition = "Stored";

    /// <summary>The record's name: the same for every report of a capture, on every replica.</summary>
    public static string NameOf(string pod, string captureId) => RecordText.ObjectName(pod, captureId);

    /// <summary>A user's object that asks for a capture: the operator names a trigger in each of its own.</summary>
    public static bool IsRequest(ProfileCapture capture) => capture.Spec.Trigger is null;

    public static bool HasEnded(ProfileCapture capture) => HasEnded(capture.Status?.Phase);

    public static bool HasEnded(CapturePhase? phase) => phase is CapturePhase.Completed or CapturePhase.Partial or CapturePhase.Failed;

    public static bool HasArtifact(ProfileCapture capture) => Worth(capture) > 0;

    /// <summary>How much a capture tells of what filled the memory: its own heap, one from before it, anything, nothing.</summary>
    public static int Worth(ProfileCapture capture) => capture.Status?.Artifacts?.Select(Worth).DefaultIfEmpty().Max() ?? 0;

    public static int Worth(CaptureArtifact artifact) => !IsWholeCapture(artifact) ? 0 : artifact.Type switch
    {
        nameof(Contracts.Policies.CaptureType.Heap) => 3,
        ArtifactKeys.Baseline => 2,
        _ => 1,
    };

    public static string? ContainerOf(ProfileCapture capture) => capture.Status?.Container ?? capture.Spec.Container;

    /// <summary>The object of a capture that nobody asked for, and of the further containers of a request.</summary>
    public static ProfileCapture New(CaptureReport report, Pod pod, Workload? workload)
    {
        var record = report.Record;
        // Whose namespace it says it is counts for nothing: it is the cluster's policy, or one of the pod's own namespace.
        var policy = record.Policy.Namespace is null ? new PolicyKey(PolicyKey.ClusterKind, null, record.Policy.Name) : PolicyKey.Of(record.Policy);
        return New(NameOf(pod.Metadata.Name, record.Id), pod, workload, record.Target.Container, policy, record.Trigger.Name, report.Request?.Name);
    }

    public static ProfileCapture New(string name, Pod pod, Workload? workload, string container, PolicyKey policy, string trigger, string? request)
    {
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            [RecordNames.PolicyLabel] = RecordText.Label(policy.Name),
            [RecordNames.PolicyKindLabel] = policy.Kind,
            [RecordNames.TriggerLabel] = RecordText.Label(trigger),
            [RecordNames.WorkloadLabel] = RecordText.Label(workload?.Name ?? pod.Metadata.Name),
            [RecordNames.ContainerLabel] = RecordText.Label(container),
            [RecordNames.PodLabel] = RecordText.Label(pod.Metadata.Name),
            [RecordNames.PodUidLabel] = RecordText.Label(pod.Metadata.Uid ?? ""),
        };
        if (request is not null)
            labels[RecordNames.RequestLabel] = RecordText.Label(request);
        return new ProfileCapture
        {
            Metadata = new ObjectMeta
            {
                Name = name,
                Namespace = pod.Metadata.Namespace,
                Labels = labels,
                OwnerReferences = workload is null ? null : [workload.AsOwner],
            },
            Spec = new ProfileCaptureSpec { PodName = pod.Metadata.Name, Container = container, Policy = policy.Name, Trigger = trigger },
        };
    }

    /// <summary>The status after a report; equal to the old one where it says nothing new.</summary>
    /// <param name="current">The object as it is.</param>
    public static ProfileCaptureStatus Status(CaptureReport report, ProfileCapture current, Pod pod, DateTimeOffset now)
    {
        var record = report.Record;
        var old = current.Status;
        // The kubelet has said that it was OOM-killed. A sidecar that saw it survive its capture was right, at that time.
        var isKilled = old?.Outcome == CaptureOutcome.OOMKilled || current.Metadata.Annotations?.ContainsKey(RecordNames.OomKillAnnotation) == true;
        var status = new ProfileCaptureStatus
        {
            Phase = record.Phase,
            CaptureId = record.Id,
            Sequence = report.Sequence,
            Container = record.Target.Container,
            PodUid = pod.Metadata.Uid,
            NodeName = pod.Spec.NodeName ?? record.Target.Node,
            TriggerReason = record.Trigger.Reason,
            StartedAt = Seconds(record.StartedAt),
            CompletedAt = Seconds(record.CompletedAt),
            Memory = Memory(record.Memory),
            Outcome = isKilled && record.Outcome != CaptureOutcome.OOMKilled ? CaptureOutcome.OOMKilled : record.Outcome,
            OutcomeReason = isKilled && record.Outcome != CaptureOutcome.OOMKilled ? old?.OutcomeReason : record.OutcomeReason,
            Location = report.Location ?? old?.Location,
            Artifacts = record.Artifacts.Count == 0 ? null : [.. record.Artifacts.Select(Artifact)],
            Top = record.Top.Count == 0 ? null : [.. record.Top.Select(top => new CaptureTop(top.Name, top.FlatBytes, Percent(top.FlatPercent)))],
        };
        return status with { Conditions = Conditions(status, old?.Conditions, now) };
    }

    public static string Percent(double percent) => percent.ToString("0.0", CultureInfo.InvariantCulture);

    /// <summary>Sets one condition and keeps the others; the time changes only where the status does.</summary>
    public static IReadOnlyList<Condition> With(IReadOnlyList<Condition>? conditions, DateTimeOffset now, params ReadOnlySpan<Condition> set)
    {
        var result = new List<Condition>(conditions ?? []);
        foreach (var condition in set)
        {
            var i = result.FindIndex(other => other.Type == condition.Type);
            var since = i >= 0 && result[i].Status == condition.Status ? result[i].LastTransitionTime : null;
            var next = condition with { LastTransitionTime = since ?? Seconds(now) };
            if (i >= 0)
                result[i] = next;
            else
                result.Add(next);
        }
        return result;
    }

    /// <summary>Times of the API have whole seconds.</summary>
    public static DateTimeOffset Seconds(DateTimeOffset time) => new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);

    public static DateTimeOffset? Seconds(DateTimeOffset? time) => time is { } t ? Seconds(t) : null;

    public static bool IsWholeCapture(CaptureArtifact artifact) =>
        artifact is { Error: null, Sha256: not null }
        && (artifact.Type == ArtifactKeys.Baseline || Enum.TryParse<Contracts.Policies.CaptureType>(artifact.Type, out _));

    private static IReadOnlyList<Condition> Conditions(ProfileCaptureStatus status, IReadOnlyList<Condition>? old, DateTimeOffset now)
    {
        var missing = status.Artifacts?.Where(artifact => artifact.Error is not null).ToList() ?? [];
        var first = missing is [var artifact, ..] ? $"{artifact.Type}: {artifact.Error}" : "nothing was captured";
        var complete = status.Phase switch
        {
            CapturePhase.Completed => new Condition(CompleteCondition, "True", RecordReasons.CaptureCompleted, "everything that was asked for is captured"),
            CapturePhase.Partial => new Condition(CompleteCondition, "False", RecordReasons.CapturePartial, missing.Count == 0 ? "not everything that was asked for is captured" : first),
            CapturePhase.Failed => new Condition(CompleteCondition, "False", RecordReasons.CaptureFailed, first),
            _ => new Condition(CompleteCondition, "False", RecordReasons.Capturing, "the capture is under way"),
        };
        var stored = status.Location is { } location
            ? new Condition(StoredCondition, "True", RecordReasons.CaptureStored, location)
            : new Condition(StoredCondition, "False", RecordReasons.NotStored, "the sidecar holds it, and stores it as soon as it can");
        return With(old, now, complete, stored);
    }

    private static CaptureMemory Memory(MemoryAtTrigger memory) => new(
        Quantity.Format(memory.WorkingSetBytes),
        memory.LimitBytes is { } limit ? Quantity.Format(limit) : null,
        memory.CeilingBytes is { } ceiling ? Quantity.Format(ceiling) : null,
        memory.Summary);

    private static CaptureArtifact Artifact(Artifact artifact) => new(
        artifact.Type, artifact.Key, artifact.HasFile ? artifact.Bytes : null, artifact.Sha256, artifact.Error, artifact.Reason);
}
