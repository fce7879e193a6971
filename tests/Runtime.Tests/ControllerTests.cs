using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Time.Testing;
using Premortem.Testing;
using Xunit;

namespace Premortem.Runtime.Tests;

public sealed class ControllerTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly RecordingLog _log = new();
    private readonly WorkQueue<string> _queue;
    private readonly ConcurrentQueue<string> _results = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public ControllerTests() => _queue = new(new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5), Jitter: 0), _time);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _time.Advance(TimeSpan.FromMinutes(1));
        await _running.WaitAsync(TimeSpan.FromSeconds(10));
        _stop.Dispose();
    }

    [Fact]
    public async Task A_throw_backs_off_and_success_ends_it()
    {
        var calls = 0;
        Run((_, _) => ++calls < 3 ? throw new InvalidOperationException("broken") : Task.FromResult(ReconcileResult.Done));
        _queue.Add("a");
        await ResultsAre("error");
        _time.Advance(TimeSpan.FromSeconds(1));
        await ResultsAre("error", "error");
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, calls);
        _time.Advance(TimeSpan.FromSeconds(1));
        await ResultsAre("error", "error", "success");
        Assert.Equal(2, _log.Count(3410));
    }

    [Fact]
    public async Task A_terminal_failure_waits_for_the_next_change()
    {
        Run((_, _) => throw new TerminalException("never so"));
        _queue.Add("a");
        await ResultsAre("terminal");
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, _queue.Count);
        _queue.Add("a");
        await ResultsAre("terminal", "terminal");
    }

    [Fact]
    public async Task What_waits_on_the_world_comes_again_after_its_time()
    {
        var calls = 0;
        Run((_, _) => Task.FromResult(++calls == 1 ? ReconcileResult.After(TimeSpan.FromMinutes(3)) : ReconcileResult.Done));
        _queue.Add("a");
        await ResultsAre("requeue");
        _time.Advance(TimeSpan.FromMinutes(3));
        await ResultsAre("requeue", "success");
    }

    [Fact]
    public async Task What_the_server_asks_for_counts_where_it_is_longer()
    {
        var calls = 0;
        Run((_, _) => ++calls == 1
            ? throw new ApiException(HttpStatusCode.TooManyRequests, null, "slow down", TimeSpan.FromSeconds(30))
            : Task.FromResult(ReconcileResult.Done));
        _queue.Add("a");
        await ResultsAre("error");
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(0, _queue.Count);
        _time.Advance(TimeSpan.FromSeconds(1));
        await ResultsAre("error", "success");
    }

    [Fact]
    public async Task A_reconcile_that_hangs_is_cut_off_and_tried_again()
    {
        var calls = 0;
        Run(async (_, ct) =>
        {
            if (++calls == 1)
                await Task.Delay(Timeout.InfiniteTimeSpan, _time, ct);
            return ReconcileResult.Done;
        });
        _queue.Add("a");
        await Eventually.IsTrue(() => calls == 1, "in work");
        _time.Advance(TimeSpan.FromMinutes(1));
        await ResultsAre("error");
        _time.Advance(TimeSpan.FromSeconds(1));
        await ResultsAre("error", "success");
        Assert.Equal(1, _log.Count(3412));
    }

    [Fact]
    public async Task A_poison_key_does_not_starve_the_others()
    {
        var done = new ConcurrentQueue<string>();
        Run(
            (key, _) =>
            {
                if (key == "poison")
                    throw new InvalidOperationException("always");
                done.Enqueue(key);
                return Task.FromResult(ReconcileResult.Done);
            },
            workers: 1);
        _queue.Add("poison");
        for (var i = 0; i < 100; i++)
        {
            _queue.Add("poison");
            _queue.Add($"{i}");
        }
        await Eventually.IsTrue(() => done.Count == 100, "all others are done without a step of the clock");
    }

    [Fact]
    public async Task A_stop_finishes_what_is_in_work_and_takes_nothing_new()
    {
        var entered = new TaskCompletionSource();
        var leave = new TaskCompletionSource();
        Run(
            async (_, ct) =>
            {
                entered.SetResult();
                await leave.Task.WaitAsync(ct);
                return ReconcileResult.Done;
            },
            workers: 1);
        _queue.Add("a");
        await entered.Task;
        _queue.Add("b");
        await _stop.CancelAsync();
        Assert.False(_running.IsCompleted);
        leave.SetResult();
        await _running.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(["success"], _results);
        Assert.Equal(1, _queue.Count);
    }

    [Fact]
    public async Task A_stop_waits_no_longer_than_its_grace()
    {
        var entered = new TaskCompletionSource();
        Run(async (_, ct) =>
        {
            entered.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, _time, ct);
            return ReconcileResult.Done;
        });
        _queue.Add("a");
        await entered.Task;
        await _stop.CancelAsync();
        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(_running.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _running.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(1, _log.Count(3414));
    }

    private void Run(Func<string, CancellationToken, Task<ReconcileResult>> reconcile, int workers = 2) =>
        _running = new Controller<string>(
            "test", _queue, reconcile, new ControllerOptions { Workers = workers, OnReconciled = (result, _) => _results.Enqueue(result) }, _time, _log).RunAsync(_stop.Token);

    private Task<string> ResultsAre(params string[] expected) =>
        Eventually.Holds(() => string.Join(' ', _results), results => results == string.Join(' ', expected), "results");
}
