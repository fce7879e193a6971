using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Triggers;

/// <summary>
/// Decides when to capture: samples in, decisions out. It reads no clock and touches nothing, so every rule can be tested by
/// replaying a series. One engine serves one target through all its incarnations. Whether a condition holds is the rules' to say;
/// arming, cooldown and the daily limit are kept here.
/// </summary>
internal sealed class TriggerEngine
{
    /// <summary>Below this share of the ceiling no growth is called a danger: programs fill their caches when they start.</summary>
    internal const double LeastUsageForPrediction = 0.5;

    private readonly string _target;
    private CaptureLimits _limits;
    private List<TriggerRule> _rules;
    private readonly GrowthForecast _forecast = new();

    /// <param name="history">What is known of earlier lives of the sidecar.</param>
    /// <param name="target">Another one for every pod and container, so that schedules do not start everywhere at once.</param>
    public TriggerEngine(IReadOnlyList<Trigger> triggers, CaptureLimits limits, TriggerHistory history, string target = "")
    {
        (_limits, _target) = (limits, target);
        History = history;
        _rules = [.. triggers.Select(Rule)];
    }

    /// <summary>
    /// Another policy holds. A trigger that it has word by word goes on as if nothing had happened; of one that it has otherwise the cooldown
    /// stays, which goes by the name.
    /// </summary>
    public void Change(IReadOnlyList<Trigger> triggers, CaptureLimits limits)
    {
        _limits = limits;
        _rules = [.. triggers.Select(trigger => _rules.Find(rule => rule.Trigger == trigger) ?? Rule(trigger))];
    }

    /// <summary>What to keep for the next life of the sidecar; replaced whenever something fires.</summary>
    public TriggerHistory History { get; private set; }

    /// <summary>When the present growth would meet the ceiling; null: not in sight.</summary>
    public TimeSpan? TimeToCeiling => _forecast.TimeToCeiling;

    /// <summary>How fast memory grows now; null: too few samples.</summary>
    public double? GrowthBytesPerSecond => _forecast.GrowthBytesPerSecond;

    /// <summary>Whether some trigger could fire without memory falling or time passing first.</summary>
    public bool IsArmed => _rules.Exists(rule => rule.IsArmed);

    /// <summary>The lowest threshold in bytes that an armed trigger waits for.</summary>
    public long? LowestThreshold(long? ceilingBytes)
    {
        long? lowest = null;
        foreach (var rule in _rules)
            if (rule.IsArmed && rule.ThresholdBytes(ceilingBytes) is { } threshold && (lowest is null || threshold < lowest))
                lowest = threshold;
        return lowest;
    }

    /// <summary>When a trigger wants a sample by the wall clock, however slowly memory is looked at; null: none does.</summary>
    public DateTimeOffset? DueAt()
    {
        DateTimeOffset? first = null;
        foreach (var rule in _rules)
            if (rule.DueAt is { } due && (first is null || due < first))
                first = due;
        return first;
    }

    /// <summary>Takes one sample. At most one decision a trigger comes back.</summary>
    public IReadOnlyList<TriggerDecision> Decide(in MemorySample sample)
    {
        _forecast.Add(sample);
        List<TriggerDecision>? decisions = null;
        foreach (var rule in _rules)
        {
            var reason = rule.Judge(sample, _forecast);
            rule.Rearm(reason is not null, sample);
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
        _forecast.StartAnew();
        foreach (var rule in _rules)
            rule.StartIncarnation();
    }

    private TriggerRule Rule(Trigger trigger) => trigger switch
    {
        MemoryUsageTrigger usage => new MemoryUsageRule(usage),
        TimeToLimitTrigger limit => new TimeToLimitRule(limit),
        RisingFloorTrigger floor => new RisingFloorRule(floor),
        ScheduleTrigger schedule => new ScheduleRule(
            schedule,
            // What reads policies has asked for it to be checked.
            Schedule.TryRead(schedule, out var times, out var problem) ? times : throw new ArgumentException($"{schedule.Name}: {problem}"),
            $"{_target}/{schedule.Name}",
            History.LastFired.TryGetValue(schedule.Name, out var last) ? last : null),
        _ => throw new ArgumentException($"{trigger.Name}: no rule watches {trigger.Kind}"),
    };

    private TriggerDecision? Gate(TriggerRule rule, string reason, in MemorySample sample)
    {
        if (!rule.IsArmed)
            return rule.Hold(Reasons.NotRearmed, "it has fired already, and memory has neither fallen nor reached a new high since");
        if (History.LastFired.TryGetValue(rule.Trigger.Name, out var last))
        {
            // By the clock that nobody sets, where this life of the sidecar saw it fire. Else by the wall clock: one that was set back
            // makes this negative, and would make the cooldown as long as the jump.
            var since = rule.FiredAt is { } firedAt ? sample.Elapsed - firedAt : sample.At - last;
            if (since >= TimeSpan.Zero && since < _limits.Cooldown)
                return rule.Hold(Reasons.Cooldown, $"it fired {TriggerRule.Rounded(since)} ago, and limits.cooldown is {Durations.Format(_limits.Cooldown)}");
        }
        if (UsedUp(sample.At) is { } usedUp)
            return rule.Hold(Reasons.MaxPerDay, usedUp);
        rule.Fired(sample);
        History = History.With(rule.Trigger.Name, sample.At);
        return new TriggerDecision.Fire(rule.Trigger, reason);
    }
}
