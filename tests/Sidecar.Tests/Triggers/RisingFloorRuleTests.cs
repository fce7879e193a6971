using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;
using Xunit;

namespace Premortem.Sidecar.Tests.Triggers;

public sealed class RisingFloorRuleTests
{
    private const double MiB = 1024 * 1024;
    private const double Minute = 60;

    private static readonly CaptureLimits s_free = new() { Cooldown = TimeSpan.Zero, MaxPerDay = 10_000 };

    private static double Leak(double t) => (100 + (t / Minute)) * MiB;

    [Fact]
    public void A_leak_is_told_with_its_figures()
    {
        var (at, reason) = Play(2 * 3600, Leak, limitMiB: 500)[0];
        Assert.InRange(at, 37 * Minute, 39 * Minute);
        Assert.Matches(@"^the floor of memory has climbed from 10\d(\.\d)? MiB to 13\d(\.\d)? MiB \(\+(29|30)%\) in 30m, by 1 MiB a minute; at this pace it would meet the ceiling of 500 MiB in 6 hours$", reason);
    }

    [Fact]
    public void No_limit_is_needed() => Assert.EndsWith("in 30m, by 1 MiB a minute", Play(3600, Leak)[0].Reason, StringComparison.Ordinal);

    [Fact]
    public void A_ceiling_that_is_months_away_is_not_reckoned_to_the_day() =>
        Assert.EndsWith("; the ceiling is more than 30 days away", Play(3600, Leak, limitMiB: 1 << 20)[0].Reason, StringComparison.Ordinal);

    [Fact]
    public void Nothing_is_said_before_a_whole_window_was_seen() => Assert.Empty(Play(37 * Minute, t => Leak(t * 5)));

    [Theory]
    [InlineData("1m")]
    [InlineData("30m")]
    [InlineData("24h")]
    [InlineData("240h")]
    public void Any_window_will_do(string window)
    {
        Assert.True(Durations.TryParse(window, out var time));
        // The same course, stretched: a sample a second where the window is a minute.
        var every = time.TotalSeconds / 60;
        var fired = Play(time.TotalSeconds * 4, t => (100 + (20 * t / time.TotalSeconds)) * MiB, every: every, window: time);
        Assert.InRange(fired[0].At, time.TotalSeconds * 1.24, time.TotalSeconds * 1.35);
    }

    [Theory]
    [InlineData(0.105, true)]
    [InlineData(0.095, false)]
    public void It_is_the_growth_in_one_window_that_counts(double growth, bool fires) =>
        Assert.Equal(fires, Play(65 * Minute, t => 100 * MiB * (1 + (growth * t / 1800))).Count > 0);

    [Fact]
    public void It_fires_again_only_after_a_further_window_of_climbing()
    {
        var fired = Play(3 * 3600, Leak);
        Assert.InRange(fired.Count, 4, 5);
        Assert.All(fired.Zip(fired.Skip(1)), pair => Assert.InRange(pair.Second.At - pair.First.At, 36 * Minute, 42 * Minute));
        Assert.Single(Play(3 * 3600, t => Leak(Math.Min(t, 2400))));
    }

    [Fact]
    public void A_cooldown_holds_it_and_is_said_once()
    {
        var engine = Engine(new CaptureLimits { Cooldown = TimeSpan.FromHours(1) });
        var decisions = Enumerable.Range(0, 4 * 3600).SelectMany(t => engine.Decide(Sample(t, Leak(t))).Select(decision => (t, decision))).ToList();
        Assert.Equal([typeof(TriggerDecision.Fire), typeof(TriggerDecision.Hold), typeof(TriggerDecision.Fire)], decisions.Take(3).Select(item => item.decision.GetType()));
        // At once when the cooldown is over, since the climb goes on.
        Assert.InRange(decisions[2].t - decisions[0].t, 3600, 3630);
    }

    [Fact]
    public void The_rate_of_samples_does_not_matter()
    {
        var sparse = Play(3600, Leak, every: 1)[0].At;
        var dense = Play(3600, Leak, every: 0.05)[0].At;
        Assert.InRange(sparse - dense, -35, 35);
    }

    [Fact]
    public void Looking_more_rarely_raises_no_floor()
    {
        // Teeth of two seconds: a look every 5 ms always meets the floor, one a second hardly ever.
        static double Teeth(double t) => (100 + (60 * (t % 2.03 / 2.03))) * MiB;
        Assert.Empty(Play(3 * 3600, Teeth, rate: t => t < 1800 ? 0.02 : 1));
    }

    [Fact]
    public void What_seems_to_climb_for_a_moment_is_no_leak()
    {
        // Teeth of 45 s and four times the floor, with a look every half a minute: the lowest of ten looks is a matter of luck.
        for (var seed = 1; seed <= 400; seed++)
        {
            var chance = new FloorCourse.Chance(seed);
            var fired = Play(6 * 3600, t => (15 + (60 * (t % 45 / 45))) * MiB, rate: _ => chance.From(28, 33));
            Assert.True(fired.Count == 0, $"course {seed}: {fired.FirstOrDefault().Reason}");
        }
    }

    [Fact]
    public void A_window_in_which_nobody_looked_is_no_window()
    {
        // A laptop that slept, a sidecar that was frozen: from then on a whole window is seen again.
        var fired = Play(2 * 3600, Leak, rate: t => t is >= 1000 and < 1001 ? 600 : 1);
        Assert.InRange(fired[0].At, 1600 + (37 * Minute), 1600 + (39 * Minute));
    }

    [Fact]
    public void A_new_process_begins_anew()
    {
        var engine = Engine(s_free);
        var fired = 0;
        for (var t = 0; t < 4 * 3600; t++)
        {
            if (t % 2000 == 1999)
                engine.StartIncarnation();
            fired += engine.Decide(Sample(t, Leak(t % 2000))).Count;
        }
        Assert.Equal(0, fired);
    }

    [Fact]
    public void Where_the_floor_has_been_before_is_no_climb()
    {
        // Half an hour up, half an hour down: what came back once will come back again.
        var fired = Play(12 * 3600, t => (200 + (100 * Math.Abs((t / 3600 % 2) - 1))) * MiB);
        Assert.True(fired.Count <= 1, $"fired {fired.Count} times");
    }

    [Fact]
    public void Page_cache_is_no_floor() => Assert.Empty(Play(3 * 3600, _ => 100 * MiB, cache: t => 40 * t / Minute * MiB));

    [Fact]
    public void The_heap_is_believed_before_memory()
    {
        Assert.Empty(Play(3 * 3600, Leak, heap: _ => 80 * MiB));
        var fired = Play(3600, t => (300 + (100 * (t % 900 / 900))) * MiB, heap: t => Leak(t));
        Assert.StartsWith("the floor of the heap has climbed from 10", fired[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_held_beside_a_flat_heap_is_watched_as_well()
    {
        var fired = Play(3600, Leak, heap: _ => 80 * MiB, outside: t => Leak(t) - (80 * MiB), limitMiB: 500);
        Assert.Matches(@"^the floor of memory outside of the heap has climbed from 2\d(\.\d)? MiB to 5\d(\.\d)? MiB .*in 30m, by 1 MiB a minute; at this pace it would meet the ceiling of 500 MiB in 6 hours$", fired[0].Reason);
        Assert.Empty(Play(3 * 3600, Leak, heap: _ => 80 * MiB, outside: _ => 20 * MiB));
    }

    [Fact]
    public void Where_both_climb_the_heap_is_named_and_once() =>
        Assert.StartsWith("the floor of the heap has", Assert.Single(Play(50 * Minute, t => Leak(t) * 2, heap: t => Leak(t), outside: t => Leak(t))).Reason, StringComparison.Ordinal);

    [Fact]
    public void Heap_and_memory_are_never_mixed_in_one_window()
    {
        // The heap is 20 MiB, memory 200: nothing climbs but what is looked at.
        Assert.Empty(Play(3 * 3600, _ => 200 * MiB, heap: t => t is > 1000 and < 4000 ? 20 * MiB : null));
        // A figure that is missing now and then does not make it begin anew.
        Assert.Single(Play(40 * Minute, _ => 200 * MiB, heap: t => t % 100 < 50 ? Leak(t) : null));
    }

    private static TriggerEngine Engine(CaptureLimits limits, TimeSpan? window = null) =>
        new([new RisingFloorTrigger("leak", window ?? TimeSpan.FromMinutes(30), 0.1)], limits, TriggerHistory.Empty);

    private static MemorySample Sample(double t, double own, double cache = 0, double? heap = null, long? limit = null, double? outside = null) =>
        new(Replay.Start.AddSeconds(t), TimeSpan.FromSeconds(t), new MemoryReading((long)(own + cache), 0, (long)cache, limit, 0), limit) { HeapAfterGcBytes = (long?)heap, OutsideHeapBytes = (long?)outside };

    private static List<(double At, string Reason)> Play(
        double seconds,
        Func<double, double> own,
        double every = 1,
        Func<double, double>? rate = null,
        TimeSpan? window = null,
        Func<double, double>? cache = null,
        Func<double, double?>? heap = null,
        Func<double, double?>? outside = null,
        long? limitMiB = null)
    {
        var engine = Engine(s_free, window);
        var fired = new List<(double, string)>();
        for (double t = 0; t < seconds; t += rate?.Invoke(t) ?? every)
            foreach (var decision in engine.Decide(Sample(t, own(t), cache?.Invoke(t) ?? 0, heap?.Invoke(t), limitMiB << 20, outside?.Invoke(t))))
                fired.Add((t, Assert.IsType<TriggerDecision.Fire>(decision).Reason));
        return fired;
    }
}
