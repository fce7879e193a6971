using Premortem.Sidecar.Recorder;
using Xunit;

namespace Premortem.Sidecar.Tests.Recorder;

public sealed class RecorderPaceTests
{
    private static readonly TimeSpan s_minute = TimeSpan.FromSeconds(60);

    [Fact]
    public void The_first_one_comes_soon_after_the_start_and_the_next_ones_as_the_policy_says()
    {
        var pace = Pace(s_minute);
        Assert.InRange(FirstDue(pace, TimeSpan.Zero), RecorderPace.WarmUp, RecorderPace.WarmUp * 1.5);
        pace.Took(TimeSpan.FromSeconds(20), Cost(target: 10, sidecar: 5));
        Assert.InRange(FirstDue(pace, TimeSpan.FromSeconds(20)), TimeSpan.FromSeconds(80), TimeSpan.FromSeconds(86.1));
    }

    [Fact]
    public void A_short_interval_does_not_wait_for_the_warm_up() =>
        Assert.InRange(FirstDue(Pace(TimeSpan.FromSeconds(1)), TimeSpan.Zero), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1.6));

    [Theory]
    [InlineData(600, 5, 120)]
    [InlineData(10, 90, 90)]
    [InlineData(100_000, 5, 3600)]
    public void The_interval_grows_until_the_cost_is_within_the_budget(int targetMilliseconds, int sidecarMilliseconds, double seconds)
    {
        var pace = Pace(s_minute);
        pace.Took(TimeSpan.Zero, Cost(targetMilliseconds, sidecarMilliseconds));
        Assert.Equal(seconds, pace.Interval.TotalSeconds, 3);
        // Cheap ones bring it back.
        for (var i = 0; i < 30; i++)
            pace.Took(TimeSpan.Zero, Cost(1, 1));
        Assert.Equal(s_minute, pace.Interval);
    }

    [Fact]
    public void Whatever_they_cost_they_stay_within_the_budget_in_the_long_run()
    {
        var random = new Random(7);
        var pace = new RecorderPace(TimeSpan.FromSeconds(1), TimeSpan.Zero, random);
        var (now, target, sidecar) = (TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero);
        for (var i = 0; i < 500; i++)
        {
            now = FirstDue(pace, now);
            var cost = Cost(random.Next(1, 400), random.Next(1, 40));
            (target, sidecar) = (target + cost.Target, sidecar + cost.Sidecar);
            pace.Took(now, cost);
        }
        Assert.True(target / now < RecorderPace.ShareOfTarget, $"{target / now:P3} of the target");
        Assert.True(sidecar / now < RecorderPace.ShareOfSidecar, $"{sidecar / now:P3} of the sidecar");
    }

    [Fact]
    public void Growth_that_matters_brings_the_next_one_sooner_but_not_for_free()
    {
        var pace = Pace(s_minute);
        pace.Took(TimeSpan.Zero, Cost(5, 2));
        Assert.False(pace.IsDue(TimeSpan.FromSeconds(7.4), hasGrown: true));
        Assert.True(pace.IsDue(TimeSpan.FromSeconds(7.6), hasGrown: true));
        Assert.False(pace.IsDue(TimeSpan.FromSeconds(7.6), hasGrown: false));
        var dear = Pace(s_minute);
        dear.Took(TimeSpan.Zero, Cost(5, 40));
        Assert.False(dear.IsDue(TimeSpan.FromSeconds(39), hasGrown: true));
        Assert.True(dear.IsDue(TimeSpan.FromSeconds(41), hasGrown: true));
    }

    [Fact]
    public void Fifty_that_begin_at_once_do_not_stay_in_step()
    {
        var due = Enumerable.Range(0, 50).Select(seed => FirstDue(new RecorderPace(s_minute, TimeSpan.Zero, new Random(seed)), TimeSpan.Zero)).Order().ToList();
        Assert.True(due[^1] - due[0] > TimeSpan.FromSeconds(3), $"all within {due[^1] - due[0]}");
    }

    private static RecorderPace Pace(TimeSpan every) => new(every, TimeSpan.Zero, new Random(1));

    private static BaselineCost Cost(int target, int sidecar) => new(TimeSpan.FromMilliseconds(target), TimeSpan.FromMilliseconds(sidecar));

    private static TimeSpan FirstDue(RecorderPace pace, TimeSpan from)
    {
        while (!pace.IsDue(from, hasGrown: false))
            from += TimeSpan.FromMilliseconds(50);
        return from;
    }
}
