namespace Premortem.Sidecar.Recorder;

/// <summary>
/// When the next baseline of a target is due: as often as the policy says, unless that would cost more CPU time than a baseline may.
/// Pure; times are monotonic.
/// </summary>
internal sealed class RecorderPace
{
    /// <summary>Of one core, what baselines may cost the target over time.</summary>
    public const double ShareOfTarget = 0.005;

    /// <summary>Of one core, what baselines may cost the sidecar over time.</summary>
    public const double ShareOfSidecar = 0.001;

    /// <summary>What one measurement may stretch the interval to: a target that was busy with something else must not go without for a day.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <summary>A program that has just started has nothing to show yet.</summary>
    public static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(10);

    /// <summary>Fifty pods that a deployment starts at once must not take theirs in step for ever.</summary>
    private const double Jitter = 0.1;

    /// <summary>After growth that matters, the next one may come as much sooner.</summary>
    private const int SoonerWhenGrown = 8;

    private readonly TimeSpan _every;
    private readonly Random _random;
    private TimeSpan _dueAt;
    private TimeSpan _soonestAt;
    private BaselineCost? _cost;

    /// <param name="every">How often the policy wants one.</param>
    /// <param name="now">When the watch over the target began.</param>
    public RecorderPace(TimeSpan every, TimeSpan now, Random random)
    {
        (_every, _random, Interval) = (every, random, every);
        _soonestAt = _dueAt = now + (Shorter(every, WarmUp) * (1 + (_random.NextDouble() / 2)));
    }

    /// <summary>The time between two, as far as is known; never less than the policy's.</summary>
    public TimeSpan Interval { get; private set; }

    /// <summary>Whether it is time.</summary>
    /// <param name="hasGrown">Whether memory has grown so much since the last one that it no longer tells what holds it.</param>
    public bool IsDue(TimeSpan now, bool hasGrown) => now >= (hasGrown ? _soonestAt : _dueAt);

    /// <summary>One was taken, or failed: the cost is the same.</summary>
    public void Took(TimeSpan now, in BaselineCost cost)
    {
        // Half by half: one look at a clock of hundredths of a second says little.
        _cost = _cost is { } before ? new BaselineCost((before.Target + cost.Target) / 2, (before.Sidecar + cost.Sidecar) / 2) : cost;
        var affordable = Shorter(Longer(_cost.Value.Target / ShareOfTarget, _cost.Value.Sidecar / ShareOfSidecar), Longest);
        Interval = Longer(_every, affordable);
        _dueAt = now + (Interval * (1 + (Jitter * _random.NextDouble())));
        _soonestAt = now + Longer(affordable, _every / SoonerWhenGrown);
    }

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
