using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Triggers;

/// <summary>
/// Decides when to capture: samples in, decisions out. It reads no clock and touches nothing, so every rule can be tested by
/// replaying a series. One engine serves one target through all its incarnations.
/// </summary>
internal sealed class TriggerEngine
{
    /// <summary>Below this share of the ceiling no growth is called a danger: programs fill their caches when they start.</summary>
    internal const double LeastUsageForPrediction = 0.5;

    /// <summary>From this share on, a prediction needs no confirmation: there is no room left to wait in.</summary>
    internal const double NearTheEnd = 0.9;

    /// <summary>A climb that would meet the ceiling this soon is believed at once: a profile takes tens of milliseconds, CPU seconds.</summary>
    internal static readonly TimeSpan Urgent = TimeSpan.FromSeconds(1.5);

    /// <summary>
    /// A few points give any slope: a step, a page of an allocator, noise. A prediction is believed when the growth itself has been
    /// seen to eat this share of what is left to the ceiling: of a spike within <see cref="Urgent"/>, of a climb within its window. A
    /// leak at any rate has done so by the time it matters, and a step that is small against the headroom never does.
    /// </summary>
    private const double LeastShareOfSpike = 0.2;
    private const double LeastShareOfClimb = 0.125;

    /// <summary>
    /// Less than this share of the steady growth, over the last second, is none. A leak that comes in steps is believed while it rises:
    /// then it is faster than it is on the whole.
    /// </summary>
    private const double StandingStill = 0.5;

    private static readonly TimeSpan Day = TimeSpan.FromDays(1);
    private static readonly TimeSpan SteadyWindow = TimeSpan.FromSeconds(5);

    private readonly CaptureLimits _limits;
    private readonly List<Rule> _rules = [];
    private GrowthTrend _trend = new();

    public TriggerEngine(IReadOnlyList<Trigger> triggers, CaptureLimits limits, TriggerHistory history)
    {
        _limits = limits;
        History = history;
        foreach (var trigger in triggers)
            if (trigger is MemoryUsageTrigger or TimeToLimitTrigger)
                _rules.Add(new Rule(trigger));
    }

    /// <summary>What to keep for the next life of the sidecar; replaced whenever something fires.</summary>
    public TriggerHistory History { get; private set; }

    /// <summary>When the present growth would meet the ceiling; null: not in sight.</summary>
    public TimeSpan? TimeToCeiling { get; private set; }

    /// <summary>How fast memory grows now; null: too few samples.</summary>
    public double? GrowthBytesPerSecond { get; private set; }

    /// <summary>Whether some trigger could fire without memory falling or time passing first: only then is it worth looking closely.</summary>
    public bool IsArmed => _rules.Exists(rule => rule.IsArmed);

    /// <summary>The lowest threshold in bytes that an armed trigger waits for.</summary>
    public long? LowestThreshold(long? ceilingBytes)
    {
        long? lowest = null;
        foreach (var rule in _rules)
            if (rule.IsArmed && ThresholdOf(rule.Trigger, ceilingBytes) is { } threshold && (lowest is null || threshold < lowest))
                lowest = threshold;
        return lowest;
    }

    /// <summary>Takes one sample. At most one decision a trigger comes back.</summary>
    public IReadOnlyList<TriggerDecision> Decide(in MemorySample sample)
    {
        var ceiling = sample.CeilingBytes;
        // A drop is a hundredth of the ceiling; without one, of what is in use. Less is the noise of an allocator.
        var drop = Math.Max((ceiling ?? sample.Reading.UnreclaimableBytes) / 100, 1 << 20);
        _trend.Add(sample.Elapsed, sample.Reading.UnreclaimableBytes, drop);
        Predict(sample);

        List<TriggerDecision>? decisions = null;
        foreach (var rule in _rules)
        {
            var reason = rule.Trigger switch
            {
                MemoryUsageTrigger usage => MemoryUsage(usage, rule, sample),
                TimeToLimitTrigger limit => TimeToLimit(limit, sample),
                _ => null,
            };
            Rearm(rule, reason is not null, sample);
            if (reason is not null && Gate(rule, reason, sample) is { } decision)
                (decisions ??= []).Add(decision);
        }
        return decisions ?? (IReadOnlyList<TriggerDecision>)[];
    }

    /// <summary>Why no capture may be made at this time of day any more; null: one may.</summary>
    public string? UsedUp(DateTimeOffset at)
    {
        var today = History.Today(at);
        return today < _limits.MaxPerDay ? null : $"{today} captures in the last 24 hours, and limits.maxPerDay is {_limits.MaxPerDay}";
    }

    /// <summary>Counts a capture that no trigger of the policy asked for: on request, after a kill.</summary>
    public void Count(string name, DateTimeOffset at) => History = History.With(name, at);

    /// <summary>A new process in the same container: what its predecessor's memory did says nothing about it.</summary>
    public void StartIncarnation()
    {
        _trend = new GrowthTrend();
        TimeToCeiling = null;
        GrowthBytesPerSecond = null;
        foreach (var rule in _rules)
            rule.Reset();
    }

    private void Predict(in MemorySample sample)
    {
        var spike = _trend.SpikeBytesPerSecond;
        var steady = _trend.BytesPerSecond(SteadyWindow);
        if (sample.CeilingBytes is not { } ceiling)
        {
            (GrowthBytesPerSecond, TimeToCeiling) = (steady ?? spike, null);
            return;
        }
        // An allocator grows in steps: the last few samples alone are believed where waiting for more could be too late.
        var (spikeLeft, steadyLeft) = (SpikeLeft(sample, ceiling), TimeLeft(sample, ceiling, steady));
        var isSpike = steady is null || (spikeLeft < Urgent && !(steadyLeft < spikeLeft));
        (GrowthBytesPerSecond, TimeToCeiling) = isSpike ? (spike, spikeLeft) : (steady, steadyLeft);
    }

    /// <summary>What the last few samples predict; null where their growth is too little to be believed.</summary>
    private TimeSpan? SpikeLeft(in MemorySample sample, long ceiling) =>
        HasEaten(sample, ceiling, Urgent, LeastShareOfSpike) ? TimeLeft(sample, ceiling, _trend.SpikeBytesPerSecond) : null;

    private bool HasEaten(in MemorySample sample, long ceiling, TimeSpan window, double share) =>
        _trend.GrownBytes(window) >= (ceiling - sample.Reading.UnreclaimableBytes) * share;

    /// <summary>
    /// Whether the ceiling will be met before <paramref name="within"/> is over, by a growth that can be believed. Page cache that has
    /// just been charged looks like growth until the statistics follow: what there is has to be a danger, too.
    /// </summary>
    private bool IsNear(in MemorySample sample, TimeSpan within) =>
        sample.CeilingBytes is { } ceiling && TimeToCeiling < within
        && sample.Reading.UnreclaimableBytes >= ceiling * LeastUsageForPrediction
        && HasEaten(sample, ceiling, SteadyWindow, LeastShareOfClimb);

    private string? MemoryUsage(MemoryUsageTrigger trigger, Rule rule, in MemorySample sample)
    {
        var used = sample.Reading.WorkingSetBytes;
        if (trigger.Threshold.InBytes(sample.CeilingBytes) is not { } threshold || used < threshold)
        {
            rule.AboveSince = null;
            return null;
        }
        if (rule.AboveSince is not { } since)
        {
            // One sample alone is not believed, be `for` zero: the kernel's statistics lag behind its usage.
            rule.AboveSince = sample.Elapsed;
            return IsNear(sample, Urgent) ? Told("the ceiling is only {0} away", TimeToCeiling!.Value) : null;
        }
        var held = sample.Elapsed - since;
        if (held >= trigger.For)
            return Told(trigger.For > TimeSpan.Zero ? "for {0}" : "", held);
        // Waiting out `for` would be waiting for the kill.
        return IsNear(sample, trigger.For - held + Urgent) ? Told("the ceiling is only {0} away", TimeToCeiling!.Value) : null;

        string Told(string more, TimeSpan time)
        {
            var text = $"working set {Quantity.ForPeople(used)} is at or above {trigger.Threshold}";
            if (trigger.Threshold.Fraction is not null)
                text += $" ({Quantity.ForPeople(threshold)})";
            return more.Length == 0 ? text : $"{text}, {string.Format(CultureInfo.InvariantCulture, more, Rounded(time))}";
        }
    }

    private string? TimeToLimit(TimeToLimitTrigger trigger, in MemorySample sample)
    {
        if (sample.CeilingBytes is not { } ceiling)
            return null;
        var used = sample.Reading.UnreclaimableBytes;
        if (used < ceiling * LeastUsageForPrediction)
            return null;
        var spikeLeft = SpikeLeft(sample, ceiling);
        var window = trigger.Within / 4 < TimeSpan.FromSeconds(15) ? trigger.Within / 4 : TimeSpan.FromSeconds(15);
        // A leak of just this pace eats this share of the headroom within half the window.
        var steadyLeft = HasEaten(sample, ceiling, window, window / trigger.Within / 2) ? TimeLeft(sample, ceiling, _trend.BytesPerSecond(window)) : null;
        var urgent = spikeLeft < Urgent && spikeLeft < trigger.Within;
        if (!urgent && !(steadyLeft <= trigger.Within))
            return null;
        // A heap that has reached its size stands still at once, and the slope over a longer time notices late.
        if (!urgent && _trend.Slope(TimeSpan.FromSeconds(1)) * steadyLeft!.Value.TotalSeconds < (ceiling - used) * StandingStill)
            return null;
        var nearTheEnd = used >= ceiling * NearTheEnd;
        if (_trend.LastPeakBytes > 0)
        {
            // It has climbed and fallen before, as a garbage-collected heap does: only new ground is a danger.
            if (used <= _trend.LastPeakBytes + (ceiling / 50) && !nearTheEnd)
                return null;
        }
        else if (!urgent && !nearTheEnd)
        {
            // The first climb may be the first tooth of a sawtooth: it is given time to end.
            var confirmed = trigger.Within / 4 < TimeSpan.FromSeconds(5) ? trigger.Within / 4 : TimeSpan.FromSeconds(5);
            if (_trend.Climbing < confirmed)
                return null;
        }
        var left = urgent && !(steadyLeft < spikeLeft) ? spikeLeft!.Value : steadyLeft!.Value;
        var rate = (long)((ceiling - used) / Math.Max(left.TotalSeconds, 1e-3));
        return $"memory grows by {Quantity.ForPeople(rate)}/s and would meet the ceiling of {Quantity.ForPeople(ceiling)} in {Rounded(left)}";
    }

    /// <summary>A rule that fired is armed again when its condition has ended, or when memory stands well above where it fired.</summary>
    private static void Rearm(Rule rule, bool holds, in MemorySample sample)
    {
        if (rule.IsArmed)
            return;
        var used = sample.Reading.WorkingSetBytes;
        // Hysteresis: around the threshold a rule would fire on every wiggle.
        if (!holds && used < rule.FiredAtBytes * 0.95)
            rule.IsArmed = true;
        else if (used >= rule.FiredAtBytes + ((sample.CeilingBytes ?? rule.FiredAtBytes) * 0.05))
            rule.IsArmed = true;
    }

    private TriggerDecision? Gate(Rule rule, string reason, in MemorySample sample)
    {
        if (!rule.IsArmed)
            return rule.Hold(Reasons.NotRearmed, "it has fired already, and memory has neither fallen nor reached a new high since");
        if (History.LastFired.TryGetValue(rule.Trigger.Name, out var last))
        {
            // By the clock that nobody sets, where this life of the sidecar saw it fire. Else by the wall clock: one that was set back
            // makes this negative, and would make the cooldown as long as the jump.
            var since = rule.FiredAt is { } firedAt ? sample.Elapsed - firedAt : sample.At - last;
            if (since >= TimeSpan.Zero && since < _limits.Cooldown)
                return rule.Hold(Reasons.Cooldown, $"it fired {Rounded(since)} ago, and limits.cooldown is {Durations.Format(_limits.Cooldown)}");
        }
        if (UsedUp(sample.At) is { } usedUp)
            return rule.Hold(Reasons.MaxPerDay, usedUp);
        rule.Fired(sample.Elapsed, sample.Reading.WorkingSetBytes);
        History = History.With(rule.Trigger.Name, sample.At);
        return new TriggerDecision.Fire(rule.Trigger, reason);
    }

    private static long? ThresholdOf(Trigger trigger, long? ceilingBytes) => trigger switch
    {
        MemoryUsageTrigger usage => usage.Threshold.InBytes(ceilingBytes),
        TimeToLimitTrigger => (long?)(ceilingBytes * LeastUsageForPrediction),
        _ => null,
    };

    private static TimeSpan? TimeLeft(in MemorySample sample, long ceiling, double? rate)
    {
        // Less than a page a second is standing still.
        if (rate is not > 4096)
            return null;
        var seconds = Math.Max(0, ceiling - sample.Reading.UnreclaimableBytes) / rate.Value;
        return seconds < Day.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }

    private static string Rounded(TimeSpan time) => time < TimeSpan.FromSeconds(1)
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0} ms")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.#} s");

    /// <summary>One trigger and what it remembers.</summary>
    private sealed class Rule(Trigger trigger)
    {
        private string? _heldFor;

        public Trigger Trigger { get; } = trigger;

        public bool IsArmed { get; set; } = true;

        public long FiredAtBytes { get; private set; }

        /// <summary>When it fired last, monotonic; null: not in this life of the sidecar. A new incarnation does not end a cooldown.</summary>
        public TimeSpan? FiredAt { get; private set; }

        public TimeSpan? AboveSince { get; set; }

        public void Fired(TimeSpan at, long bytes)
        {
            IsArmed = false;
            (FiredAt, FiredAtBytes) = (at, bytes);
            _heldFor = null;
        }

        public void Reset()
        {
            IsArmed = true;
            AboveSince = null;
            _heldFor = null;
        }

        public TriggerDecision.Hold? Hold(string reason, string detail)
        {
            if (_heldFor == reason)
                return null;
            _heldFor = reason;
            return new TriggerDecision.Hold(Trigger, reason, detail);
        }
    }
}
