using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;
using Xunit;

namespace Premortem.Sidecar.Tests.Triggers;

public sealed class ScheduleRuleTests
{
    private static readonly CaptureLimits s_free = new() { Cooldown = TimeSpan.Zero, MaxPerDay = 10_000 };

    [Fact]
    public void It_fires_when_its_time_comes_and_once()
    {
        var play = new Clock("2026-03-01T02:50:00Z", "0 3 * * *");
        play.To("2026-03-03T12:00:00Z", everySeconds: 10);
        Assert.Equal(["03-01 03:00:00", "03-02 03:00:00", "03-03 03:00:00"], play.Fired);
        Assert.Equal("it is 2026-03-03 03:00Z, a time of '0 3 * * *'", play.Reason);
    }

    [Theory]
    // Clocks go forward: 02:30 does not exist on the 29th and is taken at 03:00 summer time. They go back: 02:30 comes twice and counts once.
    [InlineData("2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z", "30 2 * * *", new[] { "03-28 01:30:00", "03-29 01:00:00", "03-30 00:30:00" })]
    [InlineData("2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z", "30 2 * * *", new[] { "10-24 00:30:00", "10-25 00:30:00", "10-26 01:30:00" })]
    [InlineData("2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z", "0 12 * * *", new[] { "03-28 11:00:00", "03-29 10:00:00", "03-30 10:00:00" })]
    public void Summer_time_is_kept(string from, string to, string cron, string[] expected)
    {
        var play = new Clock(from, cron, zone: "Europe/Berlin");
        play.To(to, everySeconds: 60);
        Assert.Equal(expected, play.Fired);
        Assert.Contains(" in Europe/Berlin", play.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Jitter_is_within_its_bounds_and_differs_from_target_to_target()
    {
        var offsets = Enumerable.Range(0, 50).Select(pod =>
        {
            var play = new Clock("2026-03-01T02:50:00Z", "0 3 * * *", jitter: 10, target: $"shop/checkout-{pod}/app");
            play.To("2026-03-01T03:20:00Z", everySeconds: 1);
            return Assert.Single(play.Fired);
        }).ToList();
        Assert.All(offsets, at => Assert.InRange(at, "03-01 03:00:00", "03-01 03:10:01"));
        // Fifty pods at once is what it is there to prevent.
        Assert.True(offsets.Distinct().Count() > 40);
        Assert.True(offsets.GroupBy(at => at[..11]).All(minute => minute.Count() < 15));
    }

    [Fact]
    public void Jitter_is_the_same_in_every_life_of_the_sidecar()
    {
        static string At(string start)
        {
            var play = new Clock(start, "0 3 * * *", jitter: 10, target: "shop/checkout-1/app");
            play.To("2026-03-01T03:20:00Z", everySeconds: 1);
            return Assert.Single(play.Fired);
        }
        // One that begins after the hour and before its own moment is not late.
        Assert.Equal(At("2026-03-01T00:00:00Z"), At("2026-03-01T03:00:01Z"));
    }

    [Fact]
    public void A_restart_does_not_fire_twice()
    {
        var play = new Clock("2026-03-01T02:59:00Z", "0 3 * * *", jitter: 1, target: "x");
        play.To("2026-03-01T03:01:30Z", everySeconds: 1);
        Assert.Single(play.Fired);
        play.Restart();
        play.To("2026-03-01T06:00:00Z", everySeconds: 1);
        Assert.Single(play.Fired);
    }

    [Theory]
    [InlineData("2026-03-02T03:04:00Z", 2)]
    [InlineData("2026-03-02T03:06:00Z", 1)]
    public void What_was_missed_is_made_up_for_when_it_is_not_long_ago(string backAt, int fired)
    {
        var restarted = new Clock("2026-03-01T02:59:00Z", "0 3 * * *");
        restarted.To("2026-03-02T02:59:00Z", everySeconds: 10);
        restarted.Now = Parse(backAt);
        restarted.Restart();
        restarted.To("2026-03-02T12:00:00Z", everySeconds: 10);
        Assert.Equal(fired, restarted.Fired.Count);

        var suspended = new Clock("2026-03-01T02:59:00Z", "0 3 * * *");
        suspended.To("2026-03-02T02:59:00Z", everySeconds: 10);
        suspended.Now = Parse(backAt);
        suspended.To("2026-03-02T12:00:00Z", everySeconds: 10);
        Assert.Equal(fired, suspended.Fired.Count);
        if (fired == 2)
            Assert.EndsWith("240 s late", suspended.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_many_that_were_missed_one_is_made_up_for()
    {
        var play = new Clock("2026-03-01T00:00:30Z", "* * * * *");
        play.To("2026-03-01T00:02:30Z", everySeconds: 1);
        play.Now = Parse("2027-03-01T00:00:30Z");
        play.To("2027-03-01T00:01:30Z", everySeconds: 1);
        Assert.Equal(["03-01 00:01:00", "03-01 00:02:00", "03-01 00:00:30", "03-01 00:01:00"], play.Fired);
    }

    [Fact]
    public void A_program_that_starts_after_the_hour_is_not_late()
    {
        var play = new Clock("2026-03-01T03:00:30Z", "0 3 * * *");
        play.To("2026-03-01T12:00:00Z", everySeconds: 10);
        Assert.Empty(play.Fired);
    }

    [Fact]
    public void A_clock_that_is_set_back_brings_no_time_twice()
    {
        var play = new Clock("2026-03-01T02:59:00Z", "0 3 * * *");
        play.To("2026-03-01T03:30:00Z", everySeconds: 10);
        play.Now = Parse("2026-03-01T02:30:00Z");
        play.To("2026-03-01T04:00:00Z", everySeconds: 10);
        Assert.Single(play.Fired);
        play.Now = Parse("2026-03-01T02:30:00Z");
        play.Restart();
        play.To("2026-03-01T04:00:00Z", everySeconds: 10);
        Assert.Single(play.Fired);
    }

    [Fact]
    public void A_clock_that_was_years_ahead_does_not_silence_it()
    {
        var play = new Clock("2036-03-01T02:59:00Z", "0 3 * * *");
        play.To("2036-03-01T03:30:00Z", everySeconds: 10);
        play.Now = Parse("2026-03-01T02:30:00Z");
        play.To("2026-03-01T04:00:00Z", everySeconds: 10);
        Assert.Equal(2, play.Fired.Count);
        play.Restart();
        play.To("2026-03-02T04:00:00Z", everySeconds: 10);
        Assert.Equal(3, play.Fired.Count);
    }

    [Fact]
    public void Cooldown_and_daily_limit_hold_it_and_say_so_each_time()
    {
        var cooling = new Clock("2026-03-01T00:00:30Z", "* * * * *", limits: new CaptureLimits { Cooldown = TimeSpan.FromMinutes(3), MaxPerDay = 2 });
        cooling.To("2026-03-01T00:09:30Z", everySeconds: 1);
        Assert.Equal(["03-01 00:01:00", "03-01 00:04:00"], cooling.Fired);
        Assert.Equal(
            [Reasons.Cooldown, Reasons.Cooldown, Reasons.Cooldown, Reasons.Cooldown, Reasons.MaxPerDay, Reasons.MaxPerDay, Reasons.MaxPerDay],
            cooling.Held);
    }

    [Fact]
    public void A_new_life_of_the_target_changes_nothing()
    {
        var play = new Clock("2026-03-01T02:59:00Z", "0 3 * * *");
        play.To("2026-03-01T02:59:30Z", everySeconds: 1);
        play.Engine.StartIncarnation();
        play.To("2026-03-01T03:00:30Z", everySeconds: 1);
        play.Engine.StartIncarnation();
        play.To("2026-03-01T03:30:00Z", everySeconds: 1);
        Assert.Single(play.Fired);
    }

    [Fact]
    public void The_engine_says_when_it_wants_a_sample()
    {
        var play = new Clock("2026-03-01T02:59:00Z", "0 3 * * *");
        Assert.Null(play.Engine.DueAt());
        play.To("2026-03-01T02:59:01Z", everySeconds: 1);
        Assert.Equal(Parse("2026-03-01T03:00:00Z"), play.Engine.DueAt());
        play.To("2026-03-01T03:00:01Z", everySeconds: 1);
        Assert.Equal(Parse("2026-03-02T03:00:00Z"), play.Engine.DueAt());
    }

    [Fact]
    public void It_makes_nobody_look_more_closely() =>
        Assert.Null(new Clock("2026-03-01T02:59:00Z", "0 3 * * *").Engine.LowestThreshold(256L << 20));

    [Theory]
    [InlineData("61 * * * *", null, "cron", "is '61 * * * *', but has to be minute (0-59), hour (0-23), day-of-month (1-31), month (1-12) and day-of-week (0-7), like '0 3 * * *' for every night at three")]
    [InlineData("0 3 30 2 *", null, "cron", "is '0 3 30 2 *', a time that never comes")]
    [InlineData("0 3 * * *", "Europe/Berln", "timeZone", "is 'Europe/Berln', which is no time zone here; it takes a name like Europe/Berlin or UTC")]
    public void What_is_no_schedule_is_told_with_the_fix(string cron, string? zone, string field, string message) =>
        Assert.Equal(new FieldProblem(field, message), Schedule.Check(new ScheduleTrigger("nightly", cron, zone, TimeSpan.Zero)));

    [Theory]
    [InlineData("0 3 29 2 *", null)]
    [InlineData("*/5 9-17 * * MON-FRI", "UTC")]
    [InlineData("0 0 1 JAN *", "America/New_York")]
    public void What_is_one_is_taken(string cron, string? zone) => Assert.Null(Schedule.Check(new ScheduleTrigger("nightly", cron, zone, TimeSpan.Zero)));

    private static DateTimeOffset Parse(string time) => DateTimeOffset.Parse(time, CultureInfo.InvariantCulture);

    /// <summary>A target that does nothing, looked at by a clock that goes, jumps and is set.</summary>
    private sealed class Clock(string start, string cron, string? zone = null, double jitter = 0, string target = "", CaptureLimits? limits = null)
    {
        private readonly ScheduleTrigger _trigger = new("nightly", cron, zone, TimeSpan.FromMinutes(jitter));
        private TimeSpan _elapsed;
        private TriggerEngine? _engine;

        internal DateTimeOffset Now { get; set; } = Parse(start);

        internal List<string> Fired { get; } = [];

        internal List<string> Held { get; } = [];

        internal string Reason { get; private set; } = "";

        internal TriggerEngine Engine => _engine ??= new TriggerEngine([_trigger], limits ?? s_free, TriggerHistory.Empty, target);

        internal void Restart() => (_engine, _elapsed) = (new TriggerEngine([_trigger], limits ?? s_free, Engine.History, target), TimeSpan.Zero);

        internal void To(string end, double everySeconds)
        {
            for (; Now <= Parse(end); Now = Now.AddSeconds(everySeconds), _elapsed += TimeSpan.FromSeconds(everySeconds))
                foreach (var decision in Engine.Decide(new MemorySample(Now, _elapsed, new MemoryReading(1 << 20, 0, 0, null, 0), null)))
                    switch (decision)
                    {
                        case TriggerDecision.Fire fire:
                            Fired.Add(Now.ToString("MM-dd HH:mm:ss", CultureInfo.InvariantCulture));
                            Reason = fire.Reason;
                            break;
                        case TriggerDecision.Hold hold:
                            Held.Add(hold.Reason);
                            break;
                    }
        }
    }
}
