using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;

namespace Premortem.Sidecar.Recorder;

/// <summary>What a baseline is made of: the cheapest that tells what holds the memory.</summary>
internal static class BaselineStep
{
    /// <summary>For a baseline no heap is walked for longer: a full collection takes as much.</summary>
    internal static readonly TimeSpan LongestWalk = TimeSpan.FromMilliseconds(100);

    /// <summary>The most that a baseline's buffers may take; what allocations take beside theirs comes to as much.</summary>
    internal const long LargestSnapshotBytes = 16 * CaptureEstimates.Mib;

    private const long AllocationBufferBytes = 4 * CaptureEstimates.Mib;

    /// <summary>What the resident memory of a .NET target was seen to grow by, and some.</summary>
    private const long AllocationCostBytes = 20 * CaptureEstimates.Mib;

    /// <summary>A Go heap profile is made in the target's memory, uncompressed, beside the records that it is made of.</summary>
    private const long LeastGoCostBytes = 4 * CaptureEstimates.Mib;
    private const int GoCostFactor = 12;

    /// <summary>Where the goroutines of a Go program stand, and how many there are.</summary>
    internal static readonly PlannedCapture Goroutines = new(CaptureType.Goroutine, PlanDecisions.Chosen, null);

    private static readonly TimeSpan AllocationWindow = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Of a .NET heap that is small, all of it: nothing else tells what is alive, and can be compared with a heap later. Of a larger one
    /// what is allocated for a moment.
    /// </summary>
    /// <param name="mayWalk">Whether the heap may be walked at all: false where it turned out to be larger than it was thought to be.</param>
    /// <param name="lastBytes">What the last baseline had; 0: there was none.</param>
    public static PlannedCapture For(CaptureConditions now, bool mayWalk, long lastBytes)
    {
        if (now.Runtime != RuntimeKind.DotNet)
            return new PlannedCapture(CaptureType.Heap, PlanDecisions.Chosen, null) { CostBytes = Math.Max(LeastGoCostBytes, lastBytes * GoCostFactor) };
        if (mayWalk && Snapshot(now) is { } snapshot)
            return snapshot;
        return new PlannedCapture(CaptureType.Heap, PlanDecisions.Chosen, null, AllocationWindow)
        {
            Variant = now.HasAllocationSamples ? CaptureVariant.AllocationSamples : CaptureVariant.AllocationTicks,
            BufferBytes = AllocationBufferBytes,
            CostBytes = AllocationCostBytes,
        };
    }

    private static PlannedCapture? Snapshot(CaptureConditions now)
    {
        if (CaptureEstimates.SnapshotBufferBytes(now) is not { } buffers || buffers > LargestSnapshotBytes || CaptureEstimates.PauseOfWalk(now) > LongestWalk)
            return null;
        var cost = buffers + CaptureEstimates.BesideSnapshotBytes(now);
        return cost > now.RoomBytes
            ? null
            : new PlannedCapture(CaptureType.Heap, PlanDecisions.Chosen, null)
            {
                Variant = CaptureVariant.Snapshot,
                BufferBytes = buffers,
                CostBytes = cost,
                CostTime = CaptureEstimates.SnapshotTime(now, buffers),
            };
    }
}
