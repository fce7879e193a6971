namespace Premortem.Sidecar.Memory;

/// <summary>
/// How long to wait before the next sample: a second with ample headroom, down to five milliseconds as the ceiling comes near. The
/// cost is bounded by a budget of CPU time; when it is used up, the shortest wait grows.
/// </summary>
internal sealed class SamplingRate
{
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(5);

    /// <summary>The longest that the shortest wait grows to once the budget is used up.</summary>
    public static readonly TimeSpan ShortestOverBudget = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest while this program is throttled.</summary>
    public static readonly TimeSpan LongestThrottled = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Memory can grow by as much as this without having been seen to grow before: about as fast as a process can touch new pages.
    /// A small container is filled in less than a second by it, so there even an idle target is looked at more often.
    /// </summary>
    internal const double SuddenBytesPerSecond = 2e9;

    /// <summary>Of one core, over time: 0.5 %.</summary>
    private const double BudgetShare = 0.005;

    /// <summary>What may be saved up: an approach of a minute at the full rate.</summary>
    private static readonly TimeSpan MostSaved = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan NearWithin = TimeSpan.FromSeconds(30);
    private const double NearFrom = 0.9;
    private const int ThrottledStretch = 4;

    private TimeSpan _saved = MostSaved;
    private TimeSpan _last;
    private TimeSpan _averageCost;

    /// <param name="sample">The sample just taken.</param>
    /// <param name="threshold">The lowest value at which some trigger may fire; null: none may.</param>
    /// <param name="timeToCeiling">What the trend predicts.</param>
    /// <param name="cost">What taking and judging the sample cost.</param>
    /// <param name="isThrottled">Whether this program has less CPU time than it asks for: each sample then delays the next.</param>
    public TimeSpan Next(in MemorySample sample, long? threshold, TimeSpan? timeToCeiling, TimeSpan cost, bool isThrottled = false)
    {
        _saved += ((sample.Elapsed - _last) * BudgetShare) - cost;
        _last = sample.Elapsed;
        _averageCost += (cost - _averageCost) / 8;
        if (_saved > MostSaved)
            _saved = MostSaved;
        // Debt is not carried for ever: an old burst must not blind the next hour.
        if (_saved < -MostSaved)
            _saved = -MostSaved;

        var wait = Longest;
        if (threshold is { } at)
        {
            // Half the way that memory could go at its fastest: it is seen once more before it can get there.
            var distance = Math.Max(0, at - sample.Reading.WorkingSetBytes);
            wait = Shorter(wait, TimeSpan.FromSeconds(distance / SuddenBytesPerSecond));
            if (timeToCeiling is { } left)
                wait = Shorter(wait, left / 50);
        }
        var shortest = _saved > TimeSpan.Zero ? Shortest : Affordable();
        if (wait < shortest)
            wait = shortest;
        return isThrottled && !IsNear(sample, threshold, timeToCeiling) ? Shorter(wait * ThrottledStretch, LongestThrottled) : wait;
    }

    /// <summary>Where a trigger may fire at any moment: looking closely there is the last thing to give up.</summary>
    private static bool IsNear(in MemorySample sample, long? threshold, TimeSpan? timeToCeiling) =>
        timeToCeiling < NearWithin || sample.Reading.WorkingSetBytes >= NearFrom * threshold || sample.Reading.WorkingSetBytes >= NearFrom * sample.CeilingBytes;

    /// <summary>The pace that the budget pays for. Evenly: one long gap among short waits would cost as much, and be what a leak slips through.</summary>
    private TimeSpan Affordable()
    {
        var wait = _averageCost / BudgetShare;
        return wait < Shortest ? Shortest : Shorter(wait, ShortestOverBudget);
    }

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
