using Premortem.Sidecar.Memory;
using Xunit;

namespace Premortem.Sidecar.Tests.Memory;

public sealed class OwnThrottleTests
{
    private TimeSpan? _throttled = TimeSpan.FromSeconds(100);

    [Fact]
    public void Being_throttled_is_noticed_once_and_so_is_its_end()
    {
        var throttle = new OwnThrottle(() => _throttled);
        Assert.Equal((false, false), Look(throttle, 5, addMilliseconds: 0));
        Assert.Equal((true, true), Look(throttle, 10, addMilliseconds: 300));
        Assert.Equal(0.06, throttle.LostShare, 3);
        Assert.Equal((false, true), Look(throttle, 15, addMilliseconds: 100));
        Assert.Equal((true, false), Look(throttle, 20, addMilliseconds: 10));
    }

    [Fact]
    public void It_is_looked_at_rarely()
    {
        var reads = 0;
        var throttle = new OwnThrottle(() => TimeSpan.FromSeconds(reads++));
        for (var milliseconds = 0; milliseconds < 20_000; milliseconds += 5)
            throttle.Look(TimeSpan.FromMilliseconds(milliseconds));
        Assert.InRange(reads, 2, 5);
    }

    [Fact]
    public void Being_woken_late_all_the_time_is_the_same()
    {
        var throttle = new OwnThrottle(() => null);
        for (var i = 0; i < 100; i++)
            throttle.Woke(TimeSpan.FromMilliseconds(15));
        Assert.Equal((true, true), Look(throttle, 5, addMilliseconds: 0));
        Assert.Equal((true, false), Look(throttle, 10, addMilliseconds: 0));
    }

    [Fact]
    public void Being_woken_a_little_late_or_early_is_ordinary()
    {
        var throttle = new OwnThrottle(() => null);
        for (var i = 0; i < 1000; i++)
            throttle.Woke(TimeSpan.FromMilliseconds(i % 2 == 0 ? 2 : -500));
        Assert.Equal((false, false), Look(throttle, 5, addMilliseconds: 0));
    }

    [Fact]
    public void A_machine_that_slept_is_not_short_of_time()
    {
        var throttle = new OwnThrottle(() => null);
        throttle.Woke(TimeSpan.FromHours(8));
        Assert.Equal((false, false), Look(throttle, 5, addMilliseconds: 0));
    }

    private (bool HasChanged, bool IsThrottled) Look(OwnThrottle throttle, int second, int addMilliseconds)
    {
        _throttled += TimeSpan.FromMilliseconds(addMilliseconds);
        return (throttle.Look(TimeSpan.FromSeconds(second)), throttle.IsThrottled);
    }
}
