using Premortem.Profiles.Heaps;

namespace Premortem.Sidecar.Memory;

/// <summary>
/// The ceiling that matters to a .NET process: the lower of the container's limit and the point at which its heap meets its own limit,
/// which is that limit plus what the process holds beside the heap. What it holds beside the heap is known whenever the runtime says what
/// the heap takes; what grows in between is taken for heap as far as the next collection allows. No clock and no files.
/// </summary>
internal sealed class RuntimeCeiling
{
    /// <summary>A heap is refused memory before it is quite at its limit: it grows by regions of 4 MiB.</summary>
    internal const long RegionBytes = 4L << 20;

    /// <summary>How many readings are kept: more than two seconds of them where they are at their closest.</summary>
    private const int MostReadings = 256;

    private readonly Queue<(DateTimeOffset At, long UsedBytes)> _readings = new();
    private long _number;
    private long? _besideBytes;
    private long _mostHeap;

    /// <summary>What the process holds beside its heap, at least, by the last reading; null: not known.</summary>
    public long? OutsideHeapBytes { get; private set; }

    /// <summary>Another process, or another life: nothing is known.</summary>
    public void Reset()
    {
        (_number, _besideBytes, OutsideHeapBytes) = (0, null, null);
        _readings.Clear();
    }

    /// <summary>The ceiling for a reading, in bytes of working set; null: there is none.</summary>
    /// <param name="at">When it was taken.</param>
    /// <param name="limitBytes">The container's limit, or one given by hand; null: none.</param>
    /// <param name="heapLimitBytes">The heap's own; null: none, or none that ends the program.</param>
    /// <param name="heap">What the runtime last said; null: nothing.</param>
    public long? Of(in MemoryReading reading, DateTimeOffset at, long? limitBytes, long? heapLimitBytes, HeapState? heap)
    {
        var used = reading.UnreclaimableBytes;
        _readings.Enqueue((at, used));
        if (_readings.Count > MostReadings)
            _readings.Dequeue();
        if (heap is { Use: { } use } && heap.Number != _number)
            Learn(use, heap.Number);
        // More than the budget cannot have been allocated without a collection, and a collection would have been told.
        if (_besideBytes is { } beside)
            OutsideHeapBytes = Math.Max(beside, used - _mostHeap);
        if (heapLimitBytes is not { } heapLimit || heapLimit >= limitBytes)
            return limitBytes;
        var effective = Math.Max(heapLimit - RegionBytes, heapLimit / 2);
        if (OutsideHeapBytes is { } outside)
            return Math.Min(limitBytes ?? long.MaxValue, effective + outside);
        // All of it may be heap, as long as it would fit in.
        return used <= heapLimit || limitBytes is null ? effective : limitBytes;
    }

    /// <summary>
    /// The runtime's word comes late, by a tenth of a second or so, and is of some moment between two readings. Memory may have grown or
    /// shrunk meanwhile: the lowest reading since the one before that moment leaves the least beside the heap, and so the lowest ceiling.
    /// </summary>
    private void Learn(HeapUse use, long number)
    {
        _number = number;
        var (atUse, looked) = (long.MaxValue, 0);
        // Whatever moment it names, the word is of before now.
        foreach (var (at, used) in _readings.Reverse())
        {
            atUse = Math.Min(atUse, used);
            if (++looked > 1 && at <= use.At)
                break;
        }
        _besideBytes = Math.Max(0, atUse - use.CommittedBytes);
        // Without a budget, everything that grows is heap.
        _mostHeap = use.BudgetBytes is { } budget && budget < long.MaxValue - use.CommittedBytes ? use.CommittedBytes + budget : long.MaxValue;
    }
}
