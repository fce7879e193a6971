using Premortem.Operator.Policies;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Records;

/// <summary>What becomes of a request that no report has answered yet.</summary>
internal abstract record RequestDecision
{
    /// <summary>Longer than the sidecar needs to see it, however busy the kubelet is.</summary>
    public static readonly TimeSpan AnswerWithin = TimeSpan.FromMinutes(10);

    /// <param name="pod">The pod that the request names, as it is now; null: there is none.</param>
    /// <param name="selecting">The policies that select the pod.</param>
    public static RequestDecision For(ProfileCapture request, Pod? pod, IReadOnlyList<PolicyView> selecting, DateTimeOffset now)
    {
        var (name, bound) = (request.Spec.PodName, request.Status?.PodUid);
        if (CaptureRequests.Read(request).Problem is { } problem)
            return new Fail(RecordReasons.InvalidRequest, $"{problem}");
        if (bound is not null && pod?.Metadata.Uid != bound)
            return new Fail(RecordReasons.PodEnded, $"the pod {name} was deleted before it captured{(pod is null ? "" : "; there is another of its name: ask again")}");
        if (pod is null)
            return new Fail(RecordReasons.PodNotFound, $"there is no pod {name} in {request.Metadata.Namespace}: see kubectl get pods -n {request.Metadata.Namespace}");
        if (PodContainers.HasEnded(pod))
            return new Fail(RecordReasons.PodEnded, $"the pod {name} has ended ({pod.Status.Phase}): there is nothing left to capture");
        if (!PodContainers.IsInjected(pod))
            return new Fail(RecordReasons.PodNotInjected, Explanations.NotInjected(pod, selecting).Detail);
        if (request.Spec.Container is { } container && !PodContainers.Of(pod).Contains(container))
            return new Fail(RecordReasons.ContainerUnknown, $"the pod {name} has no container '{container}', but {string.Join(", ", PodContainers.Of(pod))}");
        var since = bound is null ? now : WaitingSince(request) ?? now;
        if (now - since >= AnswerWithin)
        {
            var why = Explanations.NoAnswer(pod, request.Spec.Container);
            return new Fail(why.Reason, $"no answer within {AnswerWithin.TotalMinutes:0} minutes: {why.Detail}");
        }
        return new Wait(pod.Metadata.Uid ?? "", IsNew: bound is null, since + AnswerWithin - now);
    }

    private static DateTimeOffset? WaitingSince(ProfileCapture request) =>
        request.Status?.Conditions?.FirstOrDefault(condition => condition.Type == CaptureRecords.CompleteCondition)?.LastTransitionTime;

    /// <param name="IsNew">Whether the request is still to be handed to the pod.</param>
    /// <param name="AtMost">How long until it has failed.</param>
    internal sealed record Wait(string PodUid, bool IsNew, TimeSpan AtMost) : RequestDecision;

    internal sealed record Fail(string Reason, string Detail) : RequestDecision;
}
