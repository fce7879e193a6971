using System.Globalization;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Records;

/// <summary>Why there is nothing of a pod, as far as the cluster knows. Pure.</summary>
internal static class Explanations
{
    private static readonly TimeSpan AroundTheKill = TimeSpan.FromSeconds(30);

    /// <summary>Why a pod has no sidecar.</summary>
    public static Explanation NotInjected(Pod pod, IReadOnlyList<PolicyView> selecting)
    {
        var name = pod.Metadata.Name;
        if (pod.Metadata.Annotations?.GetValueOrDefault(Names.InjectAnnotation) == "false")
            return new Explanation(SkipReasons.OptedOut, $"{name} has no sidecar: its annotation {Names.InjectAnnotation} is \"false\"; take it away, and make the pod anew");
        if (selecting.Count == 0)
            return new Explanation(SkipReasons.NoPolicy, $"{name} has no sidecar: no policy selects it");
        if (selecting.All(policy => !policy.IsValid))
            return new Explanation(SkipReasons.InvalidPolicy, $"{name} has no sidecar: {selecting[0].FullName} is invalid: {string.Join("; ", selecting[0].Reading.Errors)}");
        return new Explanation(SkipReasons.NotSeen, $"{name} has no sidecar: it was made before its policy, or while no operator answered; make it anew (kubectl rollout restart)");
    }

    /// <summary>Why nothing came of a kill.</summary>
    /// <param name="pod">As it was last seen.</param>
    /// <param name="selecting">The policies that select the pod.</param>
    public static Explanation NothingOf(OomKill kill, Pod pod, IReadOnlyList<PolicyView> selecting) =>
        !PodContainers.IsInjected(pod) ? NotInjected(pod, selecting)
        : Sidecar(pod, kill) ?? Said(pod, kill.Container)
        ?? new Explanation(RecordReasons.NoReport, "no report came: the kill was faster than the sidecar, or the sidecar cannot reach the operator");

    /// <summary>Why a sidecar does not answer.</summary>
    public static Explanation NoAnswer(Pod pod, string? container)
    {
        var why = Sidecar(pod, kill: null)
            ?? Said(pod, container)
            ?? new Explanation(RecordReasons.NoAnswer, $"its sidecar follows the settings {SidecarStatuses.Of(pod)?.Revision}, and says nothing of this");
        return why with { Reason = RecordReasons.NoAnswer };
    }

    /// <summary>What the kubelet says of the sidecar.</summary>
    private static Explanation? Sidecar(Pod pod, OomKill? kill)
    {
        const string more = "give it more memory in spec.sidecar.resources of its policy";
        if (PodContainers.StatusOf(pod, Names.SidecarContainer) is not { } status)
            return new Explanation(RecordReasons.SidecarNotReady, "the sidecar has not started yet");
        var (running, ended) = (status.State?.Running, status.State?.Terminated ?? status.LastState?.Terminated);
        if (ended is { Reason: OomKills.Reason } && (kill is null ? running is null : IsAround(ended.FinishedAt, kill)))
            return new Explanation(RecordReasons.SidecarOOMKilled, $"the sidecar was OOM-killed itself: {more}");
        if (running is null && ended is null)
            return new Explanation(RecordReasons.SidecarNotReady, "the sidecar has not started yet");
        if (running is null)
            return new Explanation(RecordReasons.SidecarRestarted, string.Create(CultureInfo.InvariantCulture, $"the sidecar has ended with exit code {ended!.ExitCode}: see kubectl logs -p -c {Names.SidecarContainer}"));
        if (kill is not null && running.StartedAt > kill.FinishedAt)
            return ended is null
                ? new Explanation(RecordReasons.SidecarNotReady, "the sidecar started after the kill")
                : new Explanation(RecordReasons.SidecarRestarted, string.Create(CultureInfo.InvariantCulture, $"the sidecar was started anew after the kill; before that it ended with exit code {ended.ExitCode}"));
        return null;
    }

    /// <summary>What the sidecar said of itself.</summary>
    private static Explanation? Said(Pod pod, string? container)
    {
        if (SidecarStatuses.Of(pod) is not { } status)
            return new Explanation(RecordReasons.SidecarSilent, "the sidecar never reached the operator: see its log, and whether a NetworkPolicy keeps the pod from the operator's service");
        if (status.SettingsError is { } error)
            return new Explanation(RecordReasons.SettingsInvalid, $"the sidecar cannot follow its settings: {error}");
        if (container is not null)
        {
            if (status.Targets.FirstOrDefault(target => target.Container == container) is not { } target)
                return new Explanation(RecordReasons.NotWatched, $"the sidecar has found no process of {container}");
            if (target.MemorySource is null)
                return new Explanation(RecordReasons.NotWatched, $"the sidecar cannot read the memory of {container}");
            if (target.WhyNoProfiles is { } why)
                return new Explanation(Reasons.EndpointNotFound, $"{container} has no profiles: {why}");
        }
        if (status.Storage is { Reachable: false } storage)
            return new Explanation(RecordReasons.StorageUnreachable, $"{storage.Location} cannot be reached: {storage.Message ?? storage.Reason}");
        return null;
    }

    private static bool IsAround(DateTimeOffset? ended, OomKill kill) =>
        ended >= (kill.StartedAt ?? kill.FinishedAt) - AroundTheKill && ended <= kill.FinishedAt + AroundTheKill;
}
