using System.Globalization;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Triggers;

/// <summary>
/// <c>schedule</c>: at the times of a cron expression, each put off by a part of the jitter that is always the same for the same target
/// and time. It goes by the wall clock, and a time comes once: not again when the clock is set back, nor after a restart.
/// </summary>
internal sealed class ScheduleRule : TriggerRule
{
    /// <summary>What was missed by less is made up for: a sidecar that restarts or was suspended. What was missed by more is left out.</summary>
    internal static readonly TimeSpan MostLate = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    private readonly ScheduleTrigger _trigger;
    private readonly Schedule _schedule;
    private readonly string _target;
    private readonly DateTimeOffset? _lastFired;
    private DateTimeOffset? _next;
    private DateTimeOffset? _due;
    private DateTimeOffset? _lastAt;

    /// <param name="target">Whose jitter it is: another for every pod and container.</param>
    /// <param name="lastFired">When it fired last, in this or an earlier life of the sidecar.</param>
    public ScheduleRule(ScheduleTrigger trigger, Schedule schedule, string target, DateTimeOffset? lastFired)
        : base(trigger) => (_trigger, _schedule, _target, _lastFired) = (trigger, schedule, target, lastFired);

    public override DateTimeOffset? DueAt => _due;

    /// <summary>A time comes once, whatever memory does.</summary>
    protected override bool StaysArmed => true;

    public override string? Judge(in MemorySample sample, GrowthForecast forecast)
    {
        var now = sample.At;
        if (_lastAt is not { } last)
            Begin(now);
        else if (last - now > Day)
            // The clock was wrong by more than a day, and what is next by it may be years away.
            Await(_schedule.After(now));
        _lastAt = now;

        (DateTimeOffset Time, DateTimeOffset Due)? come = null;
        while (_due is { } due && due <= now)
        {
            // Of several that were missed one is made up for, the last.
            if (now - due < MostLate)
                come = (_next!.Value, due);
            var leastLate = now - MostLate - _trigger.Jitter;
            Await(_schedule.After(_next!.Value < leastLate ? leastLate : _next.Value));
        }
        if (come is not { } occurrence)
            return null;
        ForgetHold();
        var late = now - occurrence.Due;
        return string.Create(CultureInfo.InvariantCulture, $"it is {occurrence.Time:yyyy-MM-dd HH:mm}Z, a time of '{_trigger.Cron}'")
            + (_trigger.TimeZone is null ? "" : $" in {_trigger.TimeZone}")
            + (_trigger.Jitter > TimeSpan.Zero ? $", put off by {Rounded(Jitter(occurrence.Time))}" : "")
            + (late > TimeSpan.FromSeconds(10) ? $", {Rounded(late)} late" : "");
    }

    private void Begin(DateTimeOffset now)
    {
        // What is still to come by its jitter is not missed. Without a past, nothing is: a program that starts at five past three is not late.
        var since = now - _trigger.Jitter;
        if (_lastFired is { } fired && fired - now < Day)
            since = fired > now - _trigger.Jitter - MostLate ? fired : since - MostLate;
        Await(_schedule.After(since));
        while (_lastFired is null && _due < now)
            Await(_schedule.After(_next!.Value));
    }

    private void Await(DateTimeOffset? time) => (_next, _due) = (time, time + (time is { } at ? Jitter(at) : null));

    /// <summary>The same in every life of the sidecar, hence no hash of the framework's: those differ from process to process.</summary>
    private TimeSpan Jitter(DateTimeOffset time)
    {
        if (_trigger.Jitter == TimeSpan.Zero)
            return TimeSpan.Zero;
        var hash = 14695981039346656037UL;
        foreach (var c in _target)
            hash = (hash ^ c) * 1099511628211UL;
        hash ^= (ulong)time.ToUnixTimeSeconds();
        hash = (hash ^ (hash >> 31)) * 0x9E3779B97F4A7C15;
        hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9;
        return _trigger.Jitter * ((hash >> 11) / (double)(1UL << 53));
    }
}
