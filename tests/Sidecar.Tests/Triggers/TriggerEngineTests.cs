using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;
using Xunit;

namespace Premortem.Sidecar.Tests.Triggers;

/// <summary>Limit 256 MiB unless said otherwise.</summary>
public sealed class TriggerEngineTests
{
    private const double Minutes = 60;
    private const double Hours = 3600;

    private static readonly MemoryUsageTrigger s_nearLimit = new("near-limit", new MemoryThreshold(0.85, null), TimeSpan.FromSeconds(2));
    private static readonly TimeToLimitTrigger s_oomAhead = new("oom-ahead", TimeSpan.FromSeconds(20));
    private static readonly Trigger[] s_both = [s_nearLimit, s_oomAhead];
    private static readonly CaptureLimits s_limits = new();

    [Theory]
    [InlineData(1, 17)]
    [InlineData(2, 17)]
    [InlineData(5, 17)]
    [InlineData(10, 12)]
    [InlineData(20, 6)]
    [InlineData(50, 1.4)]
    [InlineData(100, 1.2)]
    [InlineData(200, 0.6)]
    [InlineData(400, 0.3)]
    [InlineData(800, 0.15)]
    [InlineData(1600, 0.07)]
    public void A_steady_leak_is_foreseen_at_any_rate(double mibPerSecond, double seconds)
    {
        var replay = Replay.Of(new Series(20).Rise(mibPerSecond, 300).Hold(2), [s_oomAhead]);
        Assert.InRange(replay.Warning("oom-ahead") ?? 0, seconds, 20.5);
        Assert.Single(replay.Fired, fired => fired.At == replay.Fired[0].At);
    }

    [Theory]
    [CombinatorialData(new[] { 100.0, 150.0, 200.0 }, new[] { 2.0, 20.0, 100.0, 400.0, 800.0 })]
    public void A_leak_that_begins_on_a_plateau_is_foreseen(double plateau, double mibPerSecond)
    {
        var replay = Replay.Of(new Series(plateau).Hold(4 * Minutes).Rise(mibPerSecond, 300).Hold(2), s_both);
        // A third of what was left when it became a danger is left when it is seen.
        var headroom = 256 - Math.Max(plateau, 128);
        Assert.InRange(replay.Fired.Count == 0 ? 0 : replay.KilledAt!.Value - replay.Fired[0].At, Math.Min(10, headroom / mibPerSecond / 3), 21);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(20)]
    [InlineData(200)]
    public void A_leak_that_comes_in_steps_is_foreseen(double mibPerSecond)
    {
        // As transparent huge pages are charged: 2 MiB at a time.
        var series = new Series(30);
        for (var mib = 30.0; mib < 300; mib += 2)
            series.Hold(2 / mibPerSecond).Jump(mib + 2);
        Assert.InRange(Replay.Of(series.Hold(2), [s_oomAhead]).Warning("oom-ahead") ?? 0, Math.Min(100 / mibPerSecond, 8), 22);
    }

    [Fact]
    public void A_quick_sawtooth_without_a_leak_fires_nothing() =>
        Assert.Empty(Replay.Of(new Series(60).Teeth(300, 60, 200, 4), s_both, every: 0.05).Fired);

    /// <summary>What nobody can know of the first climb is whether it ends.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(15)]
    [InlineData(120)]
    public void A_slow_sawtooth_without_a_leak_is_mistaken_in_its_first_tooth_at_most(double seconds) =>
        Assert.All(Replay.Of(new Series(60).Teeth(20, 60, 200, seconds), s_both, every: 0.05).Fired, fired => Assert.InRange(fired.At, 0, seconds));

    [Fact]
    public void A_sawtooth_whose_teeth_differ_is_mistaken_in_its_first_tooth_at_most()
    {
        var series = new Series(60);
        for (var i = 0; i < 200; i++)
            // The highest tooth comes once, and every floor is another.
            series.Jump(60 - (i % 7)).To(i == 0 ? 210 : 195 + (i % 5), 15);
        Assert.All(Replay.Of(series, s_both, every: 0.05).Fired, fired => Assert.InRange(fired.At, 0, 15));
    }

    [Fact]
    public void A_floor_that_falls_from_tooth_to_tooth_is_no_new_climb() =>
        Assert.Empty(Replay.Of(new Series(120).Teeth(60, 120, 200, 4, leakPerTooth: -1), s_both).Fired);

    [Fact]
    public void A_sawtooth_with_a_leak_is_foreseen_when_it_makes_new_ground()
    {
        var replay = Replay.Of(new Series(60).Teeth(100, 60, 150, 10, leakPerTooth: 3), s_both);
        Assert.NotNull(replay.KilledAt);
        Assert.Contains(replay.Fired, fired => replay.KilledAt - fired.At is > 1 and < 3 * Minutes);
    }

    [Fact]
    public void One_collection_in_a_leak_does_not_hide_it()
    {
        var replay = Replay.Of(new Series(60).Rise(5, 150).Jump(110).Rise(5, 300).Hold(2), [s_oomAhead]);
        Assert.InRange(replay.Warning("oom-ahead") ?? 0, 15, 20.5);
    }

    [Fact]
    public void A_single_fast_climb_that_a_collection_ends_fires_nothing() =>
        Assert.Empty(Replay.Of(new Series(60).Rise(40, 190).Jump(70).Hold(60), s_both).Fired);

    [Fact]
    public void A_burst_of_page_cache_fires_nothing()
    {
        var cache = new Series(0).Hold(30).To(160, 0.5).Hold(60);
        Assert.Empty(Replay.Of(new Series(90).Hold(91).WithInactiveFile(cache), s_both).Fired);
    }

    [Fact]
    public void Page_cache_in_use_is_a_working_set_and_no_danger()
    {
        var cache = new Series(0).Hold(30).To(150, 0.5).Hold(60);
        Assert.Equal(["near-limit"], Replay.Of(new Series(90).Hold(91).WithActiveFile(cache), s_both).Fired.Select(fired => fired.Trigger));
    }

    [Theory]
    [InlineData(140, 10)]
    [InlineData(180, 10)]
    [InlineData(200, 5)]
    public void A_step_fires_nothing(double from, double by)
    {
        var series = new Series(from).Hold(60).To(from + by, 0.005).Hold(60);
        Assert.Empty(Replay.Of(series, s_both).Fired);
    }

    [Theory]
    [InlineData(200, 0)]
    [InlineData(200, 1)]
    [InlineData(205, 2)]
    public void A_plateau_below_the_threshold_fires_nothing(double at, double noise) =>
        Assert.Empty(Replay.Of(new Series(at).Hold(10 * Minutes).Noise(noise), s_both, every: 0.02).Fired);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_plateau_near_the_limit_is_near_and_not_on_its_way(double noise)
    {
        var replay = Replay.Of(new Series(235).Hold(10 * Minutes).Noise(noise), s_both, s_limits);
        Assert.Equal(["near-limit"], replay.Fired.Select(fired => fired.Trigger));
        Assert.InRange(replay.Fired[0].At, 2, 2.1);
    }

    [Theory]
    [InlineData(35)]
    [InlineData(45)]
    [InlineData(60)]
    public void A_start_up_that_fills_more_than_half_within_seconds_and_stops_fires_nothing(double mibPerSecond) =>
        Assert.Empty(Replay.Of(new Series(5).Rise(mibPerSecond, 154).Hold(5 * Minutes), s_both).Fired);

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(1)]
    public void A_fill_that_ends_in_a_drift_fires_nothing(double mibPerSecond) =>
        Assert.Empty(Replay.Of(new Series(29).Rise(40, 160).Rise(mibPerSecond, 164).Hold(60).Noise(0.2), s_both).Fired);

    [Fact]
    public void A_slow_drift_is_no_danger_until_it_is() =>
        Assert.Empty(Replay.Of(new Series(100).To(210, 6 * Hours).Noise(1), s_both, every: 0.2).Fired);

    [Fact]
    public void Without_a_limit_a_quantity_fires_and_nothing_else_can()
    {
        var atBytes = new MemoryUsageTrigger("at-bytes", new MemoryThreshold(null, 400L << 20), TimeSpan.Zero);
        var replay = Replay.Of(new Series(100).Rise(10, 500).Limit(null), [.. s_both, atBytes]);
        Assert.All(replay.Fired, fired => Assert.Equal("at-bytes", fired.Trigger));
        Assert.InRange(replay.Fired[0].At, 30, 31.1);
        Assert.Null(replay.Engine.TimeToCeiling);
        Assert.InRange(replay.Engine.GrowthBytesPerSecond ?? 0, 9.9 * Series.MiB, 10.1 * Series.MiB);
    }

    [Fact]
    public void A_limit_that_is_lowered_makes_what_is_used_too_much()
    {
        var replay = Replay.Of(new Series(200).Hold(60).Limit(512).Limit(220, at: 30), s_both);
        Assert.Equal(["near-limit"], replay.Fired.Select(fired => fired.Trigger));
        Assert.InRange(replay.Fired[0].At, 32, 33.1);
    }

    [Fact]
    public void A_limit_that_is_raised_calls_it_off() =>
        Assert.Empty(Replay.Of(new Series(50).Rise(1, 180).Hold(60).Limit(200).Limit(1024, at: 100), [s_nearLimit]).Fired);

    [Fact]
    public void For_is_waited_for_and_a_dip_begins_it_anew()
    {
        var trigger = s_nearLimit with { For = TimeSpan.FromSeconds(10) };
        var replay = Replay.Of(new Series(219).Hold(8).Jump(216).Hold(1).Jump(219).Hold(30), [trigger]);
        Assert.InRange(Assert.Single(replay.Fired).At, 19, 19.2);
        Assert.Contains("for 10 s", replay.Fired[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void For_is_cut_short_when_the_ceiling_is_near()
    {
        var trigger = s_nearLimit with { For = TimeSpan.FromMinutes(5) };
        var replay = Replay.Of(new Series(100).Rise(2, 300).Hold(2), [trigger]);
        Assert.InRange(replay.Warning("near-limit") ?? 0, 1.5, 20);
        Assert.Contains("the ceiling is only", replay.Fired[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void For_is_not_cut_short_by_noise()
    {
        var trigger = s_nearLimit with { For = TimeSpan.FromMinutes(1) };
        Assert.InRange(Assert.Single(Replay.Of(new Series(230).Hold(90).Noise(1.5), [trigger]).Fired).At, 60, 61.1);
    }

    [Fact]
    public void One_sample_is_not_believed()
    {
        var engine = Engine([s_nearLimit with { For = TimeSpan.Zero }]);
        Assert.Empty(engine.Decide(Sample(0, 250)));
        Assert.Empty(engine.Decide(Sample(0.005, 100)));
        Assert.Empty(engine.Decide(Sample(0.010, 250)));
        Assert.Single(engine.Decide(Sample(0.015, 250)));
    }

    [Fact]
    public void It_fires_once_while_its_condition_goes_on_and_says_once_why_it_holds()
    {
        var replay = Replay.Of(new Series(225).Hold(5 * Minutes).Noise(1), [s_nearLimit]);
        Assert.Single(replay.Fired);
        Assert.Equal(Reasons.NotRearmed, Assert.Single(replay.Held).Reason);
    }

    [Fact]
    public void It_is_armed_again_when_memory_has_fallen()
    {
        var replay = Replay.Of(new Series(225).Hold(10).Jump(150).Hold(10).Jump(225).Hold(10), [s_nearLimit]);
        Assert.Equal(2, replay.Fired.Count);
        Assert.InRange(replay.Fired[1].At, 20, 22.1);
    }

    [Fact]
    public void A_small_dip_does_not_arm_it_again() =>
        Assert.Single(Replay.Of(new Series(219).Hold(10).Jump(216).Hold(10).Jump(219).Hold(10), [s_nearLimit]).Fired);

    [Fact]
    public void A_new_high_arms_it_again()
    {
        var replay = Replay.Of(new Series(220).Hold(10).Jump(230).Hold(10).Jump(234).Hold(10), [s_nearLimit]);
        Assert.Equal(2, replay.Fired.Count);
        Assert.InRange(replay.Fired[1].At, 20, 21.1);
    }

    [Fact]
    public void The_cooldown_is_kept_and_told()
    {
        var replay = Replay.Of(new Series(60).Teeth(100, 60, 230, 60), [s_nearLimit], s_limits, every: 0.1);
        var times = replay.TimesOf("near-limit").ToList();
        Assert.True(times.Count > 5);
        Assert.All(times.Zip(times.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, 599.999, 700));
        Assert.Contains(replay.Held, hold => hold.Reason == Reasons.Cooldown);
    }

    [Fact]
    public void No_more_than_maxPerDay_in_any_24_hours()
    {
        var limits = new CaptureLimits { Cooldown = TimeSpan.FromMinutes(1), MaxPerDay = 3 };
        var replay = Replay.Of(new Series(60).Teeth(400, 60, 230, 600), [s_nearLimit], limits, every: 1);
        var times = replay.TimesOf("near-limit").ToList();
        Assert.InRange(times.Count, 7, 9);
        Assert.All(times.Zip(times.Skip(3)), pair => Assert.True(pair.Second - pair.First >= (24 * Hours) - 0.001));
        Assert.Contains(replay.Held, hold => hold.Reason == Reasons.MaxPerDay);
    }

    [Fact]
    public void Captures_that_nobody_asked_the_policy_for_count_too()
    {
        var engine = Engine([s_nearLimit], new CaptureLimits { MaxPerDay = 2 });
        engine.Count(Names.RequestedTrigger, Replay.Start);
        Assert.Null(engine.UsedUp(Replay.Start.AddMinutes(1)));
        engine.Count(Names.OomKillTrigger, Replay.Start.AddMinutes(1));
        Assert.Equal("2 captures in the last 24 hours, and limits.maxPerDay is 2", engine.UsedUp(Replay.Start.AddMinutes(2)));
        Assert.Null(engine.UsedUp(Replay.Start.AddDays(1)));
    }

    [Fact]
    public void A_new_incarnation_is_armed_and_still_in_its_cooldown()
    {
        var series = new Series(225).Hold(60).Jump(40).Hold(1).Rise(20, 226).Hold(60);
        var free = Replay.Of(series, [s_nearLimit], newIncarnationAt: 60);
        Assert.Equal(2, free.Fired.Count);
        var cooling = Replay.Of(series, [s_nearLimit], s_limits, newIncarnationAt: 60);
        Assert.Single(cooling.Fired);
        Assert.Equal(Reasons.Cooldown, cooling.Held[^1].Reason);
    }

    [Fact]
    public void What_the_predecessor_did_says_nothing_about_a_new_process()
    {
        var engine = Engine([s_oomAhead]);
        for (var i = 0; i < 100; i++)
            engine.Decide(Sample(i * 0.1, 20 + i));
        Assert.NotNull(engine.TimeToCeiling);
        engine.StartIncarnation();
        Assert.Null(engine.TimeToCeiling);
        Assert.Null(engine.GrowthBytesPerSecond);
        Assert.Empty(engine.Decide(Sample(10.1, 200)));
    }

    [Theory]
    [InlineData(-24)]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData(24 * 365)]
    public void A_jump_of_the_wall_clock_neither_ends_nor_stretches_a_cooldown(double hours)
    {
        var jumping = Replay.Of(
            new Series(60).Teeth(60, 60, 230, 60),
            [s_nearLimit],
            new CaptureLimits { MaxPerDay = 1000 },
            clock: seconds => Replay.Start.AddSeconds(seconds).AddHours(seconds > 200 ? hours : 0),
            every: 0.1);
        var steady = Replay.Of(new Series(60).Teeth(60, 60, 230, 60), [s_nearLimit], new CaptureLimits { MaxPerDay = 1000 }, every: 0.1);
        Assert.Equal(steady.Fired, jumping.Fired);
    }

    [Fact]
    public void A_clock_that_is_set_back_gives_no_second_days_worth()
    {
        var limits = new CaptureLimits { Cooldown = TimeSpan.FromMinutes(1), MaxPerDay = 3 };
        var replay = Replay.Of(new Series(60).Teeth(60, 60, 230, 600), [s_nearLimit], limits, clock: seconds => Replay.Start.AddSeconds(seconds).AddHours(seconds > 1 * Hours ? -2 : 0), every: 1);
        Assert.Equal(3, replay.Fired.Count);
    }

    [Fact]
    public void A_clock_that_was_years_ahead_does_not_use_up_the_limit_for_years()
    {
        var history = Enumerable.Range(0, 30).Aggregate(TriggerHistory.Empty, (all, i) => all.With("near-limit", Replay.Start.AddYears(5).AddMinutes(i)));
        Assert.Single(Replay.Of(new Series(230).Hold(10), [s_nearLimit], s_limits, history).Fired);
    }

    [Fact]
    public void Cooldown_and_daily_limit_survive_the_sidecar()
    {
        var before = Replay.Of(new Series(230).Hold(5), [s_nearLimit], s_limits);
        Assert.Single(before.Fired);
        var soon = Replay.Of(new Series(230).Hold(5), [s_nearLimit], s_limits, before.Engine.History, seconds => Replay.Start.AddMinutes(5).AddSeconds(seconds));
        Assert.Equal(Reasons.Cooldown, Assert.Single(soon.Held).Reason);
        Assert.Empty(soon.Fired);
        var later = Replay.Of(new Series(230).Hold(5), [s_nearLimit], s_limits, before.Engine.History, seconds => Replay.Start.AddMinutes(11).AddSeconds(seconds));
        Assert.Single(later.Fired);
        var usedUp = Replay.Of(new Series(230).Hold(5), [s_nearLimit], s_limits with { MaxPerDay = 1 }, before.Engine.History, seconds => Replay.Start.AddMinutes(11).AddSeconds(seconds));
        Assert.Equal(Reasons.MaxPerDay, Assert.Single(usedUp.Held).Reason);
    }

    [Fact]
    public void Only_armed_triggers_are_worth_looking_closely()
    {
        var engine = Engine([s_nearLimit, s_oomAhead]);
        Assert.Equal(128L << 20, engine.LowestThreshold(256L << 20));
        Assert.Null(engine.LowestThreshold(null));
        Assert.Null(Engine([]).LowestThreshold(256L << 20));
        var fired = Replay.Of(new Series(230).Hold(10), [s_nearLimit]).Engine;
        Assert.False(fired.IsArmed);
        Assert.Null(fired.LowestThreshold(256L << 20));
    }

    [Fact]
    public void The_reason_has_the_figures()
    {
        var replay = Replay.Of(new Series(50).Rise(5, 300).Hold(2), s_both);
        Assert.Contains(replay.Fired, fired => fired.Trigger == "near-limit" && fired.Reason.StartsWith("working set 2", StringComparison.Ordinal) && fired.Reason.Contains("is at or above 85% (217.6 MiB), for 2 s", StringComparison.Ordinal));
        Assert.Contains(replay.Fired, fired => fired.Trigger == "oom-ahead" && fired.Reason.StartsWith("memory grows by 5 MiB/s and would meet the ceiling of 256 MiB in ", StringComparison.Ordinal));
    }

    [Property(MaxTest = 60)]
    public Property Nothing_fires_below_its_threshold() => Prop.ForAll(AnySeries(), made =>
        Replay.Of(made.Build(), s_both).Fired.TrueForAll(fired =>
            fired.Share >= (fired.Trigger == "near-limit" ? s_nearLimit.Threshold.Fraction : TriggerEngine.LeastUsageForPrediction)));

    [Property(MaxTest = 30)]
    public Property The_same_series_has_the_same_decisions() => Prop.ForAll(AnySeries(), made =>
        Replay.Of(made.Build(), s_both, s_limits).Decisions.SequenceEqual(Replay.Of(made.Build(), s_both, s_limits).Decisions));

    [Property(MaxTest = 60)]
    public Property Cooldown_and_daily_limit_hold_whatever_memory_does() => Prop.ForAll(AnySeries(), made =>
    {
        var limits = new CaptureLimits { Cooldown = TimeSpan.FromSeconds(40), MaxPerDay = 4 };
        var replay = Replay.Of(made.Build(), s_both, limits, newIncarnationAt: 50);
        var isCooled = s_both.All(trigger => replay.TimesOf(trigger.Name).ToList() is var times && times.Zip(times.Skip(1)).All(pair => pair.Second - pair.First >= 39.999));
        return isCooled && replay.Fired.Count <= 4;
    });

    [Property(MaxTest = 100)]
    public Property Whoever_is_killed_by_a_leak_was_warned_of() => Prop.ForAll(
        (from start in Gen.Choose(10, 240) from plateau in Gen.Choose(0, 100) from rate in Gen.Choose(1, 200) from noise in Gen.Choose(0, 10) select (start, plateau, rate, noise)).ToArbitrary(),
        leak => Replay.Of(new Series(leak.start).Hold(leak.plateau).Rise(leak.rate, 300).Hold(2).Noise(leak.noise / 10.0), s_both) is { KilledAt: not null, Fired.Count: > 0 });

    private static TriggerEngine Engine(IReadOnlyList<Trigger> triggers, CaptureLimits? limits = null) => new(triggers, limits ?? s_limits, TriggerHistory.Empty);

    private static MemorySample Sample(double seconds, double mib) =>
        new(Replay.Start.AddSeconds(seconds), TimeSpan.FromSeconds(seconds), new MemoryReading((long)(mib * Series.MiB), 0, 0, 256L << 20, 0), 256L << 20);

    private static Arbitrary<MadeSeries> AnySeries() =>
        (from start in Gen.Choose(5, 240)
         from noise in Gen.Choose(0, 5)
         from moves in (from to in Gen.Choose(5, 254) from tenths in Gen.Choose(0, 300) select (to, tenths)).ArrayOf(8)
         select new MadeSeries(start, noise, moves)).ToArbitrary();

    /// <summary>Lines and jumps between any heights; what is printed when a property fails.</summary>
    public sealed record MadeSeries(int StartMib, int NoiseMib, (int ToMib, int Tenths)[] Moves)
    {
        internal Series Build() => Moves.Aggregate(new Series(StartMib).Noise(NoiseMib / 4.0), (series, move) => series.To(move.ToMib, move.Tenths / 10.0));

        public override string ToString() => $"{StartMib} ±{NoiseMib / 4.0}: {string.Join(", ", Moves.Select(move => $"{move.ToMib} in {move.Tenths / 10.0} s"))}";
    }
}
