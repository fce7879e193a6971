using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Captures;

/// <summary>Picks the way in which a .NET heap or dump is captured: the best that does not endanger the target. Pure.</summary>
internal static class DotNetVariants
{
    /// <summary>How long allocations are recorded in place of a heap.</summary>
    internal static readonly TimeSpan AllocationsFor = TimeSpan.FromSeconds(5);

    /// <summary>
    /// A whole snapshot where it fits. Else a dump with heap, and beside it, because a dump has no table of types that is cheap to
    /// get, a sample of the heap; else the largest sample that fits; else what is being allocated. One request may become two steps.
    /// </summary>
    /// <param name="left">Of the time left, what may be used.</param>
    /// <param name="isDumpAskedFor">Whether a dump with heap is planned anyway: one is enough.</param>
    internal static IReadOnlyList<PlannedCapture> Heap(CaptureConditions now, TimeSpan? left, bool isDumpAskedFor)
    {
        var needed = CaptureEstimates.SnapshotBufferBytes(now);
        if (WhyNoSnapshot(now, left, needed) is not { } why)
            return [Session(CaptureVariant.Snapshot, needed!.Value, CaptureEstimates.SnapshotTime(now, needed.Value), now)];
        var whyNoDump = WhyNoDump(CaptureVariant.HeapDump, now);
        var dumps = whyNoDump is null && !isDumpAskedFor;
        var steps = new List<PlannedCapture>();
        if (Sample(now, needed, dumps) is { } sample)
            steps.Add(sample with { Decision = PlanDecisions.Cut, Detail = $"a sample of the heap: {why.Detail}{(dumps || isDumpAskedFor ? "" : "; " + whyNoDump!.Detail)}" });
        else if (Allocations(now) is { } allocations)
            steps.Add(allocations with { Decision = PlanDecisions.Cut, Detail = $"allocations instead of the heap: {why.Detail}" });
        if (dumps)
            steps.Add(Dump(CaptureType.Heap, CaptureVariant.HeapDump, now) with { Detail = $"instead of a whole snapshot: {why.Detail}" });
        return steps.Count > 0 ? steps : [CapturePlanner.Skip(CaptureType.Heap, now.IsBeside ? why : CapturePlanner.TooLittle(CaptureEstimates.LeastRecordingBufferBytes + CaptureEstimates.SessionBytes, now))];
    }

    /// <summary>The dump that was asked for, or a smaller one where that does not fit.</summary>
    internal static PlannedCapture Dump(CaptureRequest request, CaptureConditions now)
    {
        Obstacle? first = null;
        foreach (var kind in SmallerFrom(request.DumpType))
        {
            if (WhyNoDump(kind, now) is not { } why)
                return Dump(CaptureType.Dump, kind, now) with
                {
                    Decision = first is null ? PlanDecisions.Chosen : PlanDecisions.Cut,
                    Detail = first is null ? null : $"a smaller dump than {request.DumpType}: {first.Detail}",
                };
            first ??= why;
        }
        return CapturePlanner.Skip(CaptureType.Dump, first!);
    }

    /// <summary>What takes the heap along, so that no other dump of it is needed.</summary>
    internal static bool HoldsHeap(PlannedCapture step) => step.Variant is CaptureVariant.WithHeapDump or CaptureVariant.FullDump && step.Decision != PlanDecisions.Skipped;

    private static ReadOnlySpan<CaptureVariant> SmallerFrom(DumpType type)
    {
        ReadOnlySpan<CaptureVariant> largestFirst = [CaptureVariant.FullDump, CaptureVariant.WithHeapDump, CaptureVariant.TriageDump];
        return largestFirst[(type switch { DumpType.Full => 0, DumpType.Heap => 1, _ => 2 })..];
    }

    private static Obstacle? WhyNoSnapshot(CaptureConditions now, TimeSpan? left, long? needed)
    {
        if (needed is not { } buffers)
            return new Obstacle(Reasons.NotEnoughHeadroom, "the size of the heap is not known");
        var cost = buffers + CaptureEstimates.BesideSnapshotBytes(now);
        if (cost > now.RoomBytes)
            return CapturePlanner.TooLittle(cost, now, string.Create(CultureInfo.InvariantCulture, $"a whole snapshot of some {now.Objects:0} objects"));
        if (WhyNoWalk(now) is { } tooLong)
            return tooLong;
        if (buffers / CaptureEstimates.CompressedTo > now.SpoolRoomBytes)
            return CapturePlanner.TooLarge("a whole snapshot", buffers / CaptureEstimates.CompressedTo, now);
        var time = CaptureEstimates.SnapshotTime(now, buffers);
        return time > left
            ? new Obstacle(Reasons.NotEnoughTime, $"a whole snapshot takes some {CapturePlanner.Took(time)}, and {CapturePlanner.Took(left.Value)} may be used")
            : null;
    }

    private static Obstacle? WhyNoWalk(CaptureConditions now) => CaptureEstimates.WalkTime(now) is var walk && walk > CaptureEstimates.LongestPause
        ? new Obstacle(Reasons.NotEnoughTime, $"a walk over the heap would stop the target for some {CapturePlanner.Took(walk)}, and {CapturePlanner.Took(CaptureEstimates.LongestPause)} are the most")
        : null;

    private static Obstacle? WhyNoDump(CaptureVariant kind, CaptureConditions now)
    {
        if (now.WhyNoDump is { } cannot)
            return cannot;
        if (CaptureEstimates.CreateDumpBytes > now.RoomBytes)
            return CapturePlanner.TooLittle(CaptureEstimates.CreateDumpBytes, now, "a dump");
        var file = CaptureEstimates.DumpFileBytes(kind, now);
        if (file > now.DumpDiskBytes)
            return new Obstacle(Reasons.DiskFull, $"a dump takes some {Quantity.ForPeople(file)} of disk, and {Quantity.ForPeople(now.DumpDiskBytes.Value)} are free");
        if (file / CaptureEstimates.CompressedTo > now.SpoolRoomBytes)
            return CapturePlanner.TooLarge("a dump", file / CaptureEstimates.CompressedTo, now);
        var pause = CaptureEstimates.PauseOfDump(kind, now);
        return pause > CaptureEstimates.LongestPause
            ? new Obstacle(Reasons.NotEnoughTime, $"a dump would stop the target for some {CapturePlanner.Took(pause)}, and {CapturePlanner.Took(CaptureEstimates.LongestPause)} are the most")
            : null;
    }

    private static PlannedCapture Dump(CaptureType type, CaptureVariant kind, CaptureConditions now) =>
        new(type, PlanDecisions.Chosen, null)
        {
            Variant = kind,
            CostBytes = CaptureEstimates.CreateDumpBytes,
            CostTime = now.Measured.Of(type, kind)?.Time ?? CaptureEstimates.PauseOfDump(kind, now),
        };

    /// <returns>Null where not even a small one fits.</returns>
    private static PlannedCapture? Sample(CaptureConditions now, long? needed, bool besideDump)
    {
        if (WhyNoWalk(now) is not null)
            return null;
        var wanted = Math.Min(needed ?? long.MaxValue, besideDump ? CaptureEstimates.SmallSampleBytes : CaptureEstimates.LargestSampleBytes);
        // It is compressed on its way, but a spool with no room for the half of it has none for the types either.
        var stored = now.SpoolRoomBytes is { } spool && spool < long.MaxValue / CaptureEstimates.CompressedTo
            ? CaptureEstimates.DownToMib(spool * CaptureEstimates.CompressedTo)
            : long.MaxValue;
        var buffer = Math.Min(Math.Min(wanted, stored), CapturePlanner.LargestBuffer(now, CaptureEstimates.BesideSnapshotBytes(now)) ?? long.MaxValue);
        return buffer < CaptureEstimates.LeastSampleBytes ? null : Session(CaptureVariant.PartialSnapshot, buffer, CaptureEstimates.WalkTime(now), now);
    }

    /// <returns>Null where not even the smallest buffers fit, or another capture still records.</returns>
    private static PlannedCapture? Allocations(CaptureConditions now)
    {
        if (now.IsBeside)
            return null;
        var variant = now.HasAllocationSamples ? CaptureVariant.AllocationSamples : CaptureVariant.AllocationTicks;
        return CapturePlanner.Recording(CaptureType.Heap, variant, AllocationsFor, now) is { Decision: not PlanDecisions.Skipped } recording ? recording : null;
    }

    private static PlannedCapture Session(CaptureVariant variant, long bufferBytes, TimeSpan time, CaptureConditions now) =>
        new(CaptureType.Heap, PlanDecisions.Chosen, null)
        {
            Variant = variant,
            BufferBytes = bufferBytes,
            CostBytes = bufferBytes + CaptureEstimates.BesideSnapshotBytes(now),
            CostTime = time,
        };
}
