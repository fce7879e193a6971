using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// Decides what to capture, in which way, in which order and for how long, so that no capture is what kills the target: the most worth
/// first, cheap before dear, buffers shrunk to the headroom and durations to the time that is left. Pure. See docs/adr/0008.
/// </summary>
internal static class CapturePlanner
{
    /// <summary>Of the time left, what captures may use: the prediction may be wrong, and the body has to arrive.</summary>
    internal const double ShareOfTimeLeft = 0.6;

    /// <summary>Of the headroom, what a capture may take inside the target: the target goes on growing meanwhile.</summary>
    internal const double ShareOfHeadroom = 0.5;

    /// <summary>The shortest CPU profile that net/http/pprof makes, and the shortest recording worth having.</summary>
    internal static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

    /// <summary>What takes no longer is done before what does.</summary>
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(1);

    /// <param name="requests">The policy's captures, in the order of their worth.</param>
    /// <returns>At least one step for each request, in the order in which they are to be made; what is skipped stands last.</returns>
    public static IReadOnlyList<PlannedCapture> Plan(IReadOnlyList<CaptureRequest> requests, CaptureConditions now)
    {
        List<PlannedCapture> quick = [], dear = [], recordings = [], skipped = [];
        var left = now.TimeLeft * ShareOfTimeLeft;
        var isDumpAskedFor = !now.HasEnded && requests.Any(request => WhyNot(request.Type, now) is null && request.Type == CaptureType.Dump && DotNetVariants.HoldsHeap(DotNetVariants.Dump(request, now)));
        foreach (var step in requests.SelectMany(request => Ways(request, now, left, isDumpAskedFor)))
        {
            var list = step switch
            {
                { Decision: PlanDecisions.Skipped } => skipped,
                { Duration: not null } => recordings,
                // Of the heap nothing is waited for but what is dearer by far.
                _ when step.CostTime <= Quick || (step.Type == CaptureType.Heap && !IsDump(step)) => quick,
                _ => dear,
            };
            list.Add(step);
            if (list == quick || list == dear)
                left = Less(left, step);
        }
        var plan = new List<PlannedCapture>([.. quick, .. dear]);
        foreach (var recording in recordings.OrderBy(step => step.Duration))
        {
            plan.Add(CutToTime(recording, left));
            left = Less(left, plan[^1]);
        }
        plan.AddRange(skipped);
        return plan;
    }

    /// <summary>Looks at a step again when its turn comes: the headroom is not what it was when it was planned.</summary>
    /// <returns>The step itself where it still fits, a smaller one, or a skipped one.</returns>
    public static PlannedCapture Revise(PlannedCapture step, CaptureConditions now)
    {
        if (step.Decision == PlanDecisions.Skipped || step.CostBytes is not { } cost || !(cost > now.RoomBytes))
            return step;
        var isHeap = step.Variant is CaptureVariant.Snapshot or CaptureVariant.PartialSnapshot;
        var least = isHeap ? CaptureEstimates.LeastSampleBytes : CaptureEstimates.LeastRecordingBufferBytes;
        var beside = isHeap ? CaptureEstimates.BesideSnapshotBytes(now) : CaptureEstimates.SessionBytes;
        if (step.BufferBytes is null || LargestBuffer(now, beside) is not { } buffer || buffer < least)
            return Skip(step.Type, TooLittle(cost, now)) with { Variant = step.Variant };
        return step with
        {
            Decision = PlanDecisions.Cut,
            Detail = Join(step.Detail, $"the headroom fell to {Quantity.ForPeople(now.HeadroomBytes!.Value)} before its turn: buffers of {Quantity.ForPeople(buffer)}"),
            Variant = isHeap ? CaptureVariant.PartialSnapshot : step.Variant,
            BufferBytes = buffer,
            CostBytes = buffer + beside,
        };
    }

    /// <summary>
    /// Whether it has to fit into the time left. What is instant, a dump, a sample of the heap and the shortest recording do not: nothing
    /// is lost by trying, a prediction is only that, and while the runtime stands still its heap does not grow.
    /// </summary>
    internal static bool IsBoundByTime(PlannedCapture step) => step.Variant == CaptureVariant.Snapshot || step.Duration > Least;

    /// <summary>Whether the target stands still for as long as it takes, so that no time is lost.</summary>
    internal static bool StopsTarget(PlannedCapture step) => IsDump(step) || step.Variant == CaptureVariant.PartialSnapshot;

    /// <summary>A recording with the buffers that fit; <paramref name="wanted"/> is cut to the time later.</summary>
    internal static PlannedCapture Recording(CaptureType type, CaptureVariant? variant, TimeSpan wanted, CaptureConditions now)
    {
        if (now.IsBeside)
            return Skip(type, new Obstacle(Reasons.StillRecording, "the capture before this one is still recording"));
        var tail = CaptureEstimates.Tail(type, variant, now);
        if (now.Runtime != RuntimeKind.DotNet)
        {
            var cost = CaptureEstimates.GoBytes(type, now);
            return cost > now.RoomBytes
                ? Skip(type, TooLittle(cost, now))
                : new PlannedCapture(type, PlanDecisions.Chosen, null, wanted) { CostBytes = cost, CostTime = wanted + tail };
        }
        var buffer = Math.Min(CaptureEstimates.RecordingBufferBytes, LargestBuffer(now, CaptureEstimates.SessionBytes) ?? long.MaxValue);
        if (buffer < CaptureEstimates.LeastRecordingBufferBytes)
            return Skip(type, TooLittle(CaptureEstimates.LeastRecordingBufferBytes + CaptureEstimates.SessionBytes, now));
        var isCut = buffer < CaptureEstimates.RecordingBufferBytes;
        return new PlannedCapture(type, isCut ? PlanDecisions.Cut : PlanDecisions.Chosen, isCut ? $"buffers of {Quantity.ForPeople(buffer)} to fit the headroom" : null, wanted)
        {
            Variant = variant,
            BufferBytes = buffer,
            CostBytes = buffer + CaptureEstimates.SessionBytes,
            CostTime = wanted + tail,
        };
    }

    internal static PlannedCapture Skip(CaptureType type, Obstacle why) => new(type, PlanDecisions.Skipped, why.Detail) { Reason = why.Reason };

    internal static Obstacle TooLittle(long cost, CaptureConditions now, string what = "it") => new(
        Reasons.NotEnoughHeadroom,
        $"{what} takes some {Quantity.ForPeople(cost)} in the target, and {Quantity.ForPeople(now.RoomBytes ?? 0)} of the headroom of {Quantity.ForPeople(now.HeadroomBytes ?? 0)} may be used");

    internal static Obstacle TooLarge(string what, long bytes, CaptureConditions now) => new(
        Reasons.SpoolFull,
        $"{what} takes some {Quantity.ForPeople(bytes)} of the spool, and one capture may fill {Quantity.ForPeople(now.SpoolRoomBytes ?? 0)} of it now");

    internal static string Took(TimeSpan time) => Durations.Format(time < TimeSpan.FromSeconds(1) ? TimeSpan.FromMilliseconds(Math.Round(time.TotalMilliseconds)) : TimeSpan.FromSeconds(Math.Round(time.TotalSeconds, 1)));

    /// <summary>The largest buffers that fit into what a capture may take, in whole mebibytes; null: there is no limit.</summary>
    internal static long? LargestBuffer(CaptureConditions now, long besideBytes) =>
        now.RoomBytes is { } room ? CaptureEstimates.DownToMib(room - besideBytes) : null;

    private static IReadOnlyList<PlannedCapture> Ways(CaptureRequest request, CaptureConditions now, TimeSpan? left, bool isDumpAskedFor)
    {
        var type = request.Type;
        if (WhyNot(type, now) is { } obstacle)
            return [Skip(type, obstacle)];
        if (CaptureRequest.TakesTime(type))
            return [Recording(type, null, request.Duration ?? CaptureRequest.DefaultCpuDuration, now)];
        if (now.Runtime == RuntimeKind.DotNet && type == CaptureType.Heap)
            return DotNetVariants.Heap(now, left, isDumpAskedFor);
        if (type == CaptureType.Dump)
            return [DotNetVariants.Dump(request, now)];
        var cost = CaptureEstimates.GoBytes(type, now);
        return cost > now.RoomBytes
            ? [Skip(type, TooLittle(cost, now))]
            : [new PlannedCapture(type, PlanDecisions.Chosen, null) { CostBytes = cost, CostTime = CaptureEstimates.InstantTime(type, now) }];
    }

    private static Obstacle? WhyNot(CaptureType type, CaptureConditions now)
    {
        if (now.HasEnded)
            return new Obstacle(Reasons.TargetExited, "the target was dead already");
        if (type == CaptureType.Process)
            return null;
        var runtime = now.Runtime == RuntimeKind.DotNet ? RuntimeKind.DotNet : RuntimeKind.Go;
        return CaptureRequest.IsFor(type, runtime)
            ? now.WhyNoProfiles
            : new Obstacle(Reasons.NotSupportedByRuntime, $"{type} is for {(runtime == RuntimeKind.Go ? ".NET" : "Go")} targets");
    }

    private static PlannedCapture CutToTime(PlannedCapture recording, TimeSpan? left)
    {
        var wanted = recording.Duration!.Value;
        var tail = recording.CostTime!.Value - wanted;
        if (left is not { } rest || wanted + tail <= rest)
            return recording;
        var fits = TimeSpan.FromSeconds(Math.Floor((rest - tail).TotalSeconds));
        var cut = fits >= Least ? fits : wanted < Least ? wanted : Least;
        return recording with
        {
            Decision = PlanDecisions.Cut,
            Duration = cut,
            CostTime = cut + tail,
            Detail = Join(recording.Detail, fits >= Least
                ? $"cut from {Durations.Format(wanted)} to fit the time left"
                : $"cut from {Durations.Format(wanted)}; even this may not end before the ceiling is met"),
        };
    }

    private static TimeSpan? Less(TimeSpan? left, PlannedCapture step) => StopsTarget(step) ? left : left - step.CostTime;

    private static bool IsDump(PlannedCapture step) =>
        step.Variant is CaptureVariant.HeapDump or CaptureVariant.TriageDump or CaptureVariant.WithHeapDump or CaptureVariant.FullDump;

    private static string Join(string? before, string more) => before is null ? more : $"{before}; {more}";
}
