using Microsoft.Extensions.Time.Testing;
using Premortem.Sidecar.Uploads;
using Xunit;

namespace Premortem.Sidecar.Tests.Uploads;

public sealed class StallGuardTests
{
    private const long Slowest = 1024;

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_server_that_takes_nothing_is_given_up_after_the_stall()
    {
        using var guard = Guard();
        _time.Advance(TimeSpan.FromSeconds(29.9));
        Assert.False(guard.HasStalled);
        _time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.True(guard.HasStalled && guard.Token.IsCancellationRequested);
    }

    [Fact]
    public void Every_byte_taken_begins_the_wait_anew_and_adds_the_time_to_leave_the_socket()
    {
        using var guard = Guard();
        _time.Advance(TimeSpan.FromSeconds(20));
        guard.Progress(10 * Slowest);
        _time.Advance(TimeSpan.FromSeconds(39.9));
        Assert.False(guard.HasStalled);
        _time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.True(guard.HasStalled);
    }

    [Fact]
    public void No_more_is_waited_for_than_a_socket_holds()
    {
        using var guard = new StallGuard(TimeSpan.FromSeconds(30), 1024 * 1024, _time, default);
        guard.Progress(long.MaxValue / 2);
        _time.Advance(TimeSpan.FromSeconds(34.1));
        Assert.True(guard.HasStalled);
    }

    [Fact]
    public void A_cancelled_caller_is_no_stall()
    {
        using var caller = new CancellationTokenSource();
        using var guard = new StallGuard(TimeSpan.FromSeconds(30), Slowest, _time, caller.Token);
        caller.Cancel();
        Assert.True(guard.Token.IsCancellationRequested);
        Assert.False(guard.HasStalled);
    }

    private StallGuard Guard() => new(TimeSpan.FromSeconds(30), Slowest, _time, default);
}
