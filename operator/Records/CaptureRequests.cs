using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>The captures that users ask for, as the sidecars are told of them.</summary>
internal sealed class CaptureRequests(CaptureIndex index)
{
    /// <summary>As in a policy.</summary>
    private static readonly TimeSpan LongestDuration = TimeSpan.FromMinutes(10);

    /// <summary>
    /// What the pod's sidecar is to do. A request comes here once the leader has found its pod and bound it to that pod's UID, and leaves when
    /// its first report is taken or it failed.
    /// </summary>
    public IReadOnlyList<RequestedCapture> For(Pod pod) =>
    [
        .. index.OfPod(ResourceKey.Of(pod))
            .Where(capture => CaptureRecords.IsRequest(capture)
                && capture.Status is { Phase: CapturePhase.Pending, CaptureId: null } status
                && status.PodUid == pod.Metadata.Uid
                && capture.Metadata.DeletionTimestamp is null)
            .OrderBy(capture => capture.Metadata.CreationTimestamp)
            .ThenBy(capture => capture.Metadata.Name, StringComparer.Ordinal)
            .Take(20)
            .Select(capture => Read(capture).Request)
            .OfType<RequestedCapture>(),
    ];

    /// <summary>Told of the pods whose requests may have changed. Register before the informers run; it must not wait.</summary>
    public void OnChange(Action<ResourceKey> handler) => index.OnChange((old, now) =>
    {
        if ((now ?? old) is { } capture && CaptureRecords.IsRequest(capture)
            && (old is null || now is null || State(old) != State(now)))
            handler(new ResourceKey(capture.Metadata.Namespace, capture.Spec.PodName));

        // One that stood in line is Pending before its turn and after it.
        static (CapturePhase? Phase, string? PodUid, string? CaptureId) State(ProfileCapture capture) => (capture.Status?.Phase, capture.Status?.PodUid, capture.Status?.CaptureId);
    });

    /// <summary>What a ProfileCapture asks for, or the problem with its field.</summary>
    public static (RequestedCapture? Request, FieldProblem? Problem) Read(ProfileCapture capture)
    {
        var captures = new List<CaptureRequest>();
        var asked = capture.Spec.Captures ?? [];
        for (var i = 0; i < asked.Count; i++)
        {
            var (type, path) = (asked[i].Type, string.Create(CultureInfo.InvariantCulture, $"spec.captures[{i}]"));
            if (captures.Exists(other => other.Type == type))
                return (null, new FieldProblem($"{path}.type", $"is {type}, which this request asks for already"));
            TimeSpan? duration = type switch
            {
                CaptureType.Cpu or CaptureType.GcTrace => CaptureRequest.DefaultCpuDuration,
                CaptureType.Trace => CaptureRequest.DefaultTraceDuration,
                _ => null,
            };
            if (asked[i].Duration is { } text)
            {
                if (!CaptureRequest.TakesTime(type))
                    return (null, new FieldProblem($"{path}.duration", $"goes with Cpu, Trace and GcTrace, not with {type}"));
                if (!Durations.TryParse(text, out var given) || given < TimeSpan.FromSeconds(1) || given > LongestDuration)
                    return (null, new FieldProblem($"{path}.duration", $"is '{text}', but has to be a duration like 10s, from 1s to {Durations.Format(LongestDuration)}"));
                duration = given;
            }
            if (asked[i].DumpType is not null && type != CaptureType.Dump)
                return (null, new FieldProblem($"{path}.dumpType", $"goes with Dump, not with {type}"));
            captures.Add(new CaptureRequest(type, duration) { DumpType = asked[i].DumpType ?? DumpType.Heap });
        }
        return (new RequestedCapture(capture.Metadata.Name, capture.Metadata.Uid ?? "", capture.Spec.Container, captures), null);
    }
}
