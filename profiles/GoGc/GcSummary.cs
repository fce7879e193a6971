namespace Premortem.Profiles.GoGc;

/// <summary>What the collections of one process come to.</summary>
/// <param name="Restarts">How often the log goes over to another process; the figures are of the last one.</param>
/// <param name="Over">From the first collection to the last.</param>
/// <param name="CpuShare">Of what all processors could do in that time, what collections took; null: there is only one.</param>
/// <param name="PauseMedian">Half of the collections stopped the program for no longer.</param>
/// <param name="Pause99">99 of 100 stopped it for no longer.</param>
/// <param name="LiveBytesPerMinute">The line through the live heaps, by least squares; null: too few to tell.</param>
/// <param name="Floors">The least that was live in each third of the time; none: too few collections to tell.</param>
public sealed record GcSummary(
    int Collections,
    int Forced,
    int Restarts,
    TimeSpan Over,
    double? CpuShare,
    TimeSpan PauseMedian,
    TimeSpan Pause99,
    TimeSpan PauseMost,
    double AssistShare,
    double? LiveBytesPerMinute,
    IReadOnlyList<long> Floors)
{
    /// <summary>Fewer than these in a third, and chance decides.</summary>
    private const int FewestInThird = 3;

    /// <summary>Go tells whole MiB: less than two of them may be rounding.</summary>
    private const long LeastRise = 2 << 20;

    private const double LeastGrowth = 0.05;

    /// <summary>Each third's floor lies above the one before, by more than rounding: what a leak looks like. Null: too few to tell.</summary>
    public bool? IsFloorRising => Floors is [var first, var second, var third] ? Rises(first, second) && Rises(second, third) : null;

    /// <param name="cycles">In the order of the log; not empty.</param>
    public static GcSummary Of(IReadOnlyList<GcCycle> cycles)
    {
        ArgumentOutOfRangeException.ThrowIfZero(cycles.Count);
        var (last, restarts) = (0, 0);
        for (var i = 1; i < cycles.Count; i++)
            if (cycles[i].Number <= cycles[i - 1].Number && cycles[i].At < cycles[i - 1].At)
                (last, restarts) = (i, restarts + 1);
        var own = cycles.Skip(last).ToList();
        var over = own[^1].At - own[0].At;
        var cpu = own.Skip(1).Sum(cycle => cycle.Cpu.Total.TotalSeconds);
        var pauses = own.Select(cycle => cycle.Pause).Order().ToList();
        var all = own.Sum(cycle => cycle.Cpu.Total.TotalSeconds);
        return new GcSummary(
            own.Count,
            own.Count(cycle => cycle.Forced),
            restarts,
            over,
            over > TimeSpan.Zero ? cpu / (over.TotalSeconds * Math.Max(1, own[^1].Processors)) : null,
            Rank(pauses, 0.5),
            Rank(pauses, 0.99),
            pauses[^1],
            all > 0 ? own.Sum(cycle => cycle.Cpu.Assist.TotalSeconds) / all : 0,
            Slope(own),
            FloorsOf(own));
    }

    private static bool Rises(long before, long after) => after - before >= Math.Max(LeastRise, (long)(before * LeastGrowth));

    private static TimeSpan Rank(List<TimeSpan> ordered, double share) => ordered[Math.Clamp((int)Math.Ceiling(share * ordered.Count) - 1, 0, ordered.Count - 1)];

    private static double? Slope(List<GcCycle> cycles)
    {
        if (cycles.Count < FewestInThird)
            return null;
        var (at, live) = (cycles.Average(cycle => cycle.At.TotalMinutes), cycles.Average(cycle => (double)cycle.LiveHeap));
        var spread = cycles.Sum(cycle => Math.Pow(cycle.At.TotalMinutes - at, 2));
        return spread > 0 ? cycles.Sum(cycle => (cycle.At.TotalMinutes - at) * (cycle.LiveHeap - live)) / spread : null;
    }

    private static long[] FloorsOf(List<GcCycle> cycles)
    {
        var (from, over) = (cycles[0].At, cycles[^1].At - cycles[0].At);
        var thirds = cycles.ToLookup(cycle => over > TimeSpan.Zero ? Math.Min(2, (int)((cycle.At - from) * 3 / over)) : 0);
        return Enumerable.Range(0, 3).All(third => thirds[third].Count() >= FewestInThird)
            ? [.. Enumerable.Range(0, 3).Select(third => thirds[third].Min(cycle => cycle.LiveHeap))]
            : [];
    }
}
