namespace Premortem.Profiles.Report;

/// <summary>
/// Any number of memory points as few as a chart can show: the time is cut into slots, and of each slot its lowest and its highest
/// point are kept, so that no peak vanishes. The order of the points does not matter: clocks jump.
/// </summary>
internal sealed class MemorySeries
{
    internal const int MaxPoints = 1000;

    private MemorySeries(List<MemoryPoint> points, DateTimeOffset first, DateTimeOffset last, long peakBytes)
    {
        (Points, First, Last, PeakBytes) = (points, first, last, peakBytes);
    }

    /// <summary>In order of time, at most <see cref="MaxPoints"/>.</summary>
    internal List<MemoryPoint> Points { get; }

    internal DateTimeOffset First { get; }

    internal DateTimeOffset Last { get; }

    /// <summary>The highest working set.</summary>
    internal long PeakBytes { get; }

    /// <summary>The series, or null where there are no points.</summary>
    internal static MemorySeries? Of(IReadOnlyList<MemoryPoint> points)
    {
        if (points.Count == 0)
            return null;
        var (first, last, peak) = (points[0].At, points[0].At, long.MinValue);
        foreach (var point in points)
        {
            first = point.At < first ? point.At : first;
            last = point.At > last ? point.At : last;
            peak = Math.Max(peak, point.WorkingSetBytes);
        }
        if (points.Count <= MaxPoints)
            return new MemorySeries([.. points.OrderBy(point => point.At)], first, last, peak);
        var slots = new (MemoryPoint? Low, MemoryPoint? High)[MaxPoints / 2];
        var span = Math.Max(1, (last - first).Ticks);
        foreach (var point in points)
        {
            ref var slot = ref slots[(int)((Int128)(point.At - first).Ticks * (slots.Length - 1) / span)];
            if (slot.Low is null || point.WorkingSetBytes < slot.Low.WorkingSetBytes)
                slot.Low = point;
            if (slot.High is null || point.WorkingSetBytes > slot.High.WorkingSetBytes)
                slot.High = point;
        }
        var kept = new List<MemoryPoint>(MaxPoints);
        foreach (var (low, high) in slots)
        {
            if (low is null || high is null)
                continue;
            var (earlier, later) = low.At <= high.At ? (low, high) : (high, low);
            kept.Add(earlier);
            if (!ReferenceEquals(earlier, later))
                kept.Add(later);
        }
        return new MemorySeries(kept, first, last, peak);
    }
}
