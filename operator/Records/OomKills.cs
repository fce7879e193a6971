using System.Globalization;
using Premortem.Contracts;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Records;

/// <summary>Which OOM kills a pod tells of, and which capture belongs to each. Pure.</summary>
internal static class OomKills
{
    /// <summary>What the kubelet calls it.</summary>
    public const string Reason = "OOMKilled";

    /// <summary>The kubelet's times have whole seconds.</summary>
    private static readonly TimeSpan Rounding = TimeSpan.FromSeconds(2);

    /// <summary>By then a sidecar has noticed a death.</summary>
    private static readonly TimeSpan Notice = TimeSpan.FromSeconds(10);

    /// <summary>How long before the kill a capture of a life that went on may have ended, and still tell what led to it.</summary>
    private static readonly TimeSpan StillTells = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan LateForCounting = TimeSpan.FromHours(1);

    /// <summary>The kills that stand in the pod's status: of each container at most two, the last life and the one before.</summary>
    public static IReadOnlyList<OomKill> Of(Pod pod)
    {
        List<OomKill>? kills = null;
        foreach (var status in (pod.Status.ContainerStatuses ?? []).Concat(pod.Status.InitContainerStatuses ?? []))
        {
            Add(status.LastState?.Terminated, status.Name);
            Add(status.State?.Terminated, status.Name);
        }
        return kills ?? (IReadOnlyList<OomKill>)[];

        void Add(ContainerTerminated? ended, string container)
        {
            if (ended is not { Reason: Reason })
                return;
            var at = ended.FinishedAt ?? ended.StartedAt ?? pod.Metadata.CreationTimestamp ?? DateTimeOffset.UnixEpoch;
            var id = string.IsNullOrEmpty(ended.ContainerID) ? string.Create(CultureInfo.InvariantCulture, $"{pod.Metadata.Uid}/{container}/{at:O}") : ended.ContainerID;
            (kills ??= []).Add(new OomKill(pod.Metadata.Namespace ?? "", pod.Metadata.Name, pod.Metadata.Uid ?? "", container, id, ended.StartedAt, at));
        }
    }

    /// <summary>
    /// The capture of a kill: begun in the life that was ended, or when its end was noticed. What the sidecar saw die comes first, then what it lost
    /// sight of, then what survived its capture a short while before; of these what has a heap, and the nearest to the kill.
    /// </summary>
    /// <param name="records">Of the pod.</param>
    public static ProfileCapture? Match(OomKill kill, IReadOnlyList<ProfileCapture> records) => records
        .Where(record => MarkOf(record) is null
            && IsOfLife(kill, record)
            && (record.Status!.Outcome switch
            {
                CaptureOutcome.Survived => record.Status.CompletedAt >= kill.FinishedAt - StillTells,
                CaptureOutcome.Exited => SawEnd(kill, record),
                _ => true,
            }))
        .OrderBy(record => record.Status!.Outcome switch { CaptureOutcome.OOMKilled => 0, null => 1, CaptureOutcome.Exited => 2, _ => 3 })
        .ThenByDescending(CaptureRecords.Worth)
        .ThenByDescending(record => record.Status!.StartedAt)
        .FirstOrDefault();

    /// <summary>
    /// The captures of the same life that saw this end and took it for another, with the one that has the kill's mark or without it: the kubelet
    /// knows better than a sidecar that came too late to read the cgroup's counter.
    /// </summary>
    /// <param name="records">Of the pod.</param>
    public static IEnumerable<ProfileCapture> Mistaken(OomKill kill, IReadOnlyList<ProfileCapture> records) => records
        .Where(record => record.Status?.Outcome == CaptureOutcome.Exited
            && (MarkOf(record) ?? kill.ContainerId) == kill.ContainerId
            && IsOfLife(kill, record)
            && SawEnd(kill, record));

    /// <summary>Which kill a record belongs to, by its container id; null: none.</summary>
    public static string? MarkOf(ProfileCapture record) => record.Metadata.Annotations?.GetValueOrDefault(RecordNames.OomKillAnnotation);

    /// <summary>Whether a record stands for a kill that nothing was captured of.</summary>
    public static bool IsPlaceholder(ProfileCapture record) =>
        MarkOf(record) is not null && record.Spec.Trigger == Names.OomKillTrigger && record.Status?.CaptureId is null;

    public static bool IsRecorded(Pod pod, OomKill kill) => Recorded(pod).Contains(kill.Mark);

    /// <summary>What the pod's annotation is to be once this kill has its record: kills that its status has forgotten are left out.</summary>
    public static string WithRecorded(Pod pod, OomKill kill)
    {
        var recorded = Recorded(pod);
        return string.Join(',', Of(pod).Select(other => other.Mark).Where(mark => mark == kill.Mark || recorded.Contains(mark)).Append(kill.Mark).Distinct().Order(StringComparer.Ordinal));
    }

    /// <summary>Of a kill that nobody saw for so long, a metric would say that it was now.</summary>
    public static bool IsCounted(OomKill kill, DateTimeOffset firstSeen) => firstSeen - kill.FinishedAt <= LateForCounting;

    public static ProfileCapture Placeholder(OomKill kill, Pod pod, Workload? workload, PolicyView policy)
    {
        var record = CaptureRecords.New(kill.PlaceholderName, pod, workload, kill.Container, PolicyKey.Of(policy), Names.OomKillTrigger, request: null);
        var annotations = new Dictionary<string, string> { [RecordNames.OomKillAnnotation] = kill.ContainerId };
        if (kill.StartedAt is { } started)
            annotations[RecordNames.LifeStartedAnnotation] = started.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        return record with { Metadata = record.Metadata with { Annotations = annotations } };
    }

    public static ProfileCaptureStatus PlaceholderStatus(OomKill kill, Pod pod, Explanation why, DateTimeOffset now) => new()
    {
        Phase = CapturePhase.Failed,
        Container = kill.Container,
        PodUid = kill.PodUid,
        NodeName = pod.Spec.NodeName,
        StartedAt = kill.FinishedAt,
        CompletedAt = kill.FinishedAt,
        Outcome = CaptureOutcome.OOMKilled,
        OutcomeReason = RecordText.Clean($"{why.Reason}: {why.Detail}", 1024),
        Conditions = CaptureRecords.With(null, now, new Condition(CaptureRecords.CompleteCondition, "False", why.Reason, why.Detail)),
    };

    /// <summary>The kill that a record without a capture stands for; null: it is none.</summary>
    public static OomKill? Of(ProfileCapture record)
    {
        if (!IsPlaceholder(record) || record.Status is not { PodUid: { } uid, Container: { } container, CompletedAt: { } finished })
            return null;
        var life = record.Metadata.Annotations?.GetValueOrDefault(RecordNames.LifeStartedAnnotation);
        DateTimeOffset? started = DateTimeOffset.TryParse(life, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;
        return new OomKill(record.Metadata.Namespace ?? "", record.Spec.PodName, uid, container, MarkOf(record)!, started, finished);
    }

    private static HashSet<string> Recorded(Pod pod) =>
        [.. (pod.Metadata.Annotations?.GetValueOrDefault(RecordNames.RecordedKillsAnnotation) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries)];

    private static bool SawEnd(OomKill kill, ProfileCapture record) => record.Status!.CompletedAt >= kill.FinishedAt - Rounding;

    private static bool IsOfLife(OomKill kill, ProfileCapture record)
    {
        if (record.Status is not { CaptureId: not null, StartedAt: { } began } status || status.PodUid != kill.PodUid || CaptureRecords.ContainerOf(record) != kill.Container)
            return false;
        if (kill.StartedAt is { } started && began < started - Rounding)
            return false;
        // Only what a death sets off begins after it: anything else later is the next life's.
        var isOfDeath = record.Spec.Trigger is Names.OomKillTrigger or Names.ExitTrigger;
        return began <= kill.FinishedAt + (isOfDeath ? Notice : Rounding);
    }
}
