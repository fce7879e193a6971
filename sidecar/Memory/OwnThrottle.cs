namespace Premortem.Sidecar.Memory;

/// <summary>
/// Whether this program gets less CPU time than it asks for: its own cgroup is throttled, or it is woken late time and again. Looked at
/// every few seconds; no clock and no files of its own.
/// </summary>
/// <param name="readThrottled">How long its cgroup was throttled so far; null: not to be known.</param>
internal sealed class OwnThrottle(Func<TimeSpan?> readThrottled)
{
    public static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    /// <summary>Of the time, what is too much, and what is little enough to be over it.</summary>
    private const double TooMuch = 0.05;
    private const double LittleEnough = 0.01;

    /// <summary>Lateness is milder than throttling: it is also what any busy machine does.</summary>
    private const double TooLate = 0.2;

    private static readonly TimeSpan OrdinaryLateness = TimeSpan.FromMilliseconds(3);

    /// <summary>Once is no habit, however late it was: a machine that slept is not short of CPU time.</summary>
    private static readonly TimeSpan MostLateness = TimeSpan.FromMilliseconds(500);

    private TimeSpan? _throttled = readThrottled();
    private TimeSpan _late;
    private TimeSpan _lookedAt;

    public bool IsThrottled { get; private set; }

    /// <summary>Of the last few seconds, the share that was lost.</summary>
    public double LostShare { get; private set; }

    /// <summary>A wait has ended.</summary>
    /// <param name="late">By how much later than it was asked to.</param>
    public void Woke(TimeSpan late)
    {
        if (late > OrdinaryLateness)
            _late += late < MostLateness ? late : MostLateness;
    }

    /// <summary>Judges anew when it is time to.</summary>
    /// <param name="now">Monotonic time.</param>
    /// <returns>Whether the judgement has changed.</returns>
    public bool Look(TimeSpan now)
    {
        var window = now - _lookedAt;
        if (window < LookEvery)
            return false;
        var throttled = readThrottled();
        var lost = Math.Max(0, (throttled - _throttled ?? TimeSpan.Zero) / window);
        var late = _late / window;
        (_throttled, _lookedAt, _late) = (throttled, now, TimeSpan.Zero);
        LostShare = Math.Max(lost, late);
        var was = IsThrottled;
        IsThrottled = lost >= TooMuch || late >= TooLate || (was && (lost > LittleEnough || late > TooLate / 2));
        return IsThrottled != was;
    }
}
