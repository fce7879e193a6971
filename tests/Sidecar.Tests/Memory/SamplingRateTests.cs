using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Sidecar.Memory;
using Xunit;

namespace Premortem.Sidecar.Tests.Memory;

public sealed class SamplingRateTests
{
    private const long MiB = 1L << 20;
    private static readonly TimeSpan s_cost = TimeSpan.FromMicroseconds(60);

    [Fact]
    public void Far_from_every_threshold_it_is_a_second() => Assert.Equal(SamplingRate.Longest, Wait(100 * MiB, 8192 * MiB));

    [Fact]
    public void Without_a_threshold_it_is_a_second() => Assert.Equal(SamplingRate.Longest, Wait(250 * MiB, null));

    [Fact]
    public void At_the_threshold_it_is_the_shortest() => Assert.Equal(SamplingRate.Shortest, Wait(128 * MiB, 128 * MiB));

    [Fact]
    public void It_shrinks_with_the_way_that_is_left()
    {
        var waits = Enumerable.Range(0, 100).Select(i => Wait(i * 20 * MiB, 2000 * MiB)).ToList();
        Assert.Equal(waits.OrderDescending(), waits);
        Assert.InRange(Wait(1000 * MiB, 2000 * MiB).TotalMilliseconds, 500, 550);
    }

    [Fact]
    public void It_shrinks_with_the_time_that_is_left()
    {
        Assert.Equal(TimeSpan.FromMilliseconds(200), Wait(0, 8192 * MiB, TimeSpan.FromSeconds(10)));
        Assert.Equal(TimeSpan.FromMilliseconds(20), Wait(0, 8192 * MiB, TimeSpan.FromSeconds(1)));
        Assert.Equal(SamplingRate.Shortest, Wait(0, 8192 * MiB, TimeSpan.Zero));
    }

    [Theory]
    [InlineData(100, 8192, null, 1000, 2000)]
    [InlineData(1000, 2000, null, 524, 2000)]
    [InlineData(1700, 2000, null, 157, 630)]
    [InlineData(1900, 2000, null, 52, 53)]
    [InlineData(100, 8192, 40_000, 800, 2000)]
    [InlineData(100, 8192, 20_000, 400, 400)]
    public void While_it_is_throttled_it_looks_less_often_but_not_near_the_ceiling(int used, int threshold, int? leftMilliseconds, int milliseconds, int throttledMilliseconds)
    {
        TimeSpan? left = leftMilliseconds is { } given ? TimeSpan.FromMilliseconds(given) : null;
        var sample = Sample(TimeSpan.Zero, used * MiB) with { CeilingBytes = 16384 * MiB };
        Assert.InRange(new SamplingRate().Next(sample, threshold * MiB, left, s_cost).TotalMilliseconds, milliseconds - 1, milliseconds + 1);
        Assert.InRange(new SamplingRate().Next(sample, threshold * MiB, left, s_cost, isThrottled: true).TotalMilliseconds, throttledMilliseconds - 2, throttledMilliseconds + 2);
    }

    [Property(MaxTest = 500)]
    public Property The_wait_is_always_within_its_bounds() => Prop.ForAll(
        (from used in Gen.Choose(0, int.MaxValue)
         from threshold in Gen.Choose(-1, int.MaxValue)
         from left in Gen.Choose(-1, 100_000)
         from microseconds in Gen.Choose(0, 2_000_000)
         from steps in Gen.Choose(1, 50)
         select (used, threshold, left, microseconds, steps)).ToArbitrary(),
        given =>
        {
            var rate = new SamplingRate();
            var elapsed = TimeSpan.Zero;
            for (var i = 0; i < given.steps; i++)
            {
                var wait = rate.Next(Sample(elapsed, given.used), given.threshold < 0 ? null : given.threshold, given.left < 0 ? null : TimeSpan.FromMilliseconds(given.left), TimeSpan.FromMicroseconds(given.microseconds));
                if (wait < SamplingRate.Shortest || wait > SamplingRate.Longest)
                    return false;
                elapsed += wait;
            }
            return true;
        });

    [Fact]
    public void A_day_at_idle_costs_next_to_nothing()
    {
        var (cost, _) = Run(TimeSpan.FromDays(1), 100 * MiB, 8192 * MiB);
        Assert.InRange(cost.TotalSeconds / 86400, 0, 0.0001);
    }

    [Fact]
    public void An_hour_near_the_limit_stays_within_the_budget()
    {
        var (cost, longest) = Run(TimeSpan.FromHours(1), 243 * MiB, 128 * MiB);
        // Half a per cent of a core, and the second that was saved up.
        Assert.InRange(cost.TotalSeconds, 10, (3600 * 0.005) + 1.2);
        Assert.InRange(longest.TotalMilliseconds, 5, 15);
    }

    [Fact]
    public void An_hour_of_dear_samples_is_no_gap_in_the_watch() =>
        Assert.Equal(SamplingRate.ShortestOverBudget, Run(TimeSpan.FromHours(1), 243 * MiB, 128 * MiB, TimeSpan.FromMilliseconds(2)).Longest);

    [Fact]
    public void What_was_dear_is_forgiven_in_time()
    {
        var rate = new SamplingRate();
        var elapsed = TimeSpan.Zero;
        for (var i = 0; i < 1000; i++)
            elapsed += rate.Next(Sample(elapsed, 243 * MiB), 128 * MiB, null, TimeSpan.FromMilliseconds(50));
        elapsed += TimeSpan.FromMinutes(7);
        Assert.Equal(SamplingRate.Shortest, rate.Next(Sample(elapsed, 243 * MiB), 128 * MiB, null, s_cost));
    }

    private static (TimeSpan Cost, TimeSpan Longest) Run(TimeSpan length, long used, long threshold, TimeSpan? cost = null)
    {
        var rate = new SamplingRate();
        var (total, longest) = (TimeSpan.Zero, TimeSpan.Zero);
        for (var elapsed = TimeSpan.Zero; elapsed < length;)
        {
            var wait = rate.Next(Sample(elapsed, used), threshold, null, cost ?? s_cost);
            total += cost ?? s_cost;
            elapsed += wait;
            longest = wait > longest ? wait : longest;
        }
        return (total, longest);
    }

    private static TimeSpan Wait(long used, long? threshold, TimeSpan? left = null) => new SamplingRate().Next(Sample(TimeSpan.Zero, used), threshold, left, s_cost);

    private static MemorySample Sample(TimeSpan elapsed, long used) => new(DateTimeOffset.UnixEpoch + elapsed, elapsed, new MemoryReading(used, 0, 0, null, null), null);
}
