using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Premortem.Runtime.Tests;

public sealed class WorkQueueTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly WorkQueue<string> _queue;

    public WorkQueueTests() => _queue = new(new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(8), Jitter: 0), _time);

    [Fact]
    public async Task Keys_come_in_the_order_in_which_they_were_added_and_each_once()
    {
        foreach (var key in new[] { "a", "b", "a", "c", "b" })
            _queue.Add(key);
        Assert.Equal(3, _queue.Count);
        Assert.Equal(["a", "b", "c"], [await TakeAsync(), await TakeAsync(), await TakeAsync()]);
        Assert.Equal(0, _queue.Count);
    }

    [Fact]
    public async Task A_key_added_in_flight_is_taken_again_when_done_and_not_before()
    {
        _queue.Add("a");
        await TakeAsync();
        _queue.Add("a");
        _queue.Add("a");
        Assert.Equal(0, _queue.Count);
        _queue.Done("a");
        Assert.Equal("a", await TakeAsync());
        _queue.Done("a");
        Assert.Equal(0, _queue.Count);
    }

    [Fact]
    public void A_delayed_key_comes_when_its_time_has_come_and_not_before()
    {
        _queue.AddAfter("a", TimeSpan.FromSeconds(5));
        _time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.Equal(0, _queue.Count);
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal(1, _queue.Count);
    }

    [Fact]
    public async Task Of_two_times_the_sooner_counts_whichever_came_first()
    {
        _queue.AddAfter("later first", TimeSpan.FromSeconds(9));
        _queue.AddAfter("later first", TimeSpan.FromSeconds(2));
        _queue.AddAfter("sooner first", TimeSpan.FromSeconds(2));
        _queue.AddAfter("sooner first", TimeSpan.FromSeconds(9));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(2, _queue.Count);
        foreach (var key in new[] { await TakeAsync(), await TakeAsync() })
            _queue.Done(key);
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(0, _queue.Count);
    }

    [Fact]
    public async Task Each_failure_doubles_the_delay_until_success_forgets_them()
    {
        foreach (var seconds in new[] { 1, 2, 4, 8, 8 })
            await FailsAndComesAfter(seconds);
        _queue.Forget("a");
        await FailsAndComesAfter(1);
    }

    [Fact]
    public void A_failure_waits_as_long_as_the_server_asked_for()
    {
        _queue.AddFailed("a", atLeast: TimeSpan.FromSeconds(30));
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(0, _queue.Count);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, _queue.Count);
    }

    [Fact]
    public async Task A_take_that_is_cancelled_loses_no_key()
    {
        using var stop = new CancellationTokenSource();
        var taking = _queue.TakeAsync(stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => taking);
        _queue.Add("a");
        Assert.Equal("a", await TakeAsync());
    }

    [Fact]
    public async Task No_key_is_in_two_hands_and_no_addition_is_lost_under_contention()
    {
        var inWork = new int[10];
        var seen = new int[10];
        var wanted = new int[10];
        using var stop = new CancellationTokenSource();
        var queue = new WorkQueue<int>(new Backoff(TimeSpan.Zero, TimeSpan.Zero), TimeProvider.System);
        var workers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (true)
            {
                var key = await queue.TakeAsync(stop.Token);
                Assert.Equal(1, Interlocked.Increment(ref inWork[key]));
                Volatile.Write(ref seen[key], Volatile.Read(ref wanted[key]));
                await Task.Yield();
                Interlocked.Decrement(ref inWork[key]);
                queue.Done(key);
            }
        })).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(adder => Task.Run(() =>
        {
            var random = new Random(adder);
            for (var i = 0; i < 20_000; i++)
            {
                var key = random.Next(10);
                Interlocked.Increment(ref wanted[key]);
                queue.Add(key);
            }
        })));
        await Testing.Eventually.IsTrue(() => seen.SequenceEqual(wanted), "the last addition of each key is seen");
        await stop.CancelAsync();
        foreach (var worker in workers)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => worker);
    }

    private async Task FailsAndComesAfter(int seconds)
    {
        _queue.AddFailed("a");
        _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        Assert.Equal(0, _queue.Count);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal("a", await TakeAsync());
        _queue.Done("a");
    }

    private async Task<string> TakeAsync()
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        return await _queue.TakeAsync(soon.Token);
    }
}
