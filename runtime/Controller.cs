using Microsoft.Extensions.Logging;

namespace Premortem.Runtime;

/// <summary>Takes keys from a queue and reconciles them: the loop. A throw backs off, a <see cref="TerminalException"/> waits for the next change.</summary>
public sealed class Controller<TKey>(
    string name,
    WorkQueue<TKey> queue,
    Func<TKey, CancellationToken, Task<ReconcileResult>> reconcile,
    ControllerOptions options,
    TimeProvider time,
    ILogger log)
    where TKey : notnull
{
    public string Name => name;

    public WorkQueue<TKey> Queue => queue;

    /// <summary>Until it is cancelled; then what is in work is finished, within <see cref="ControllerOptions.StopGrace"/>.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        using var end = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        await using var stopping = ct.UnsafeRegister(_ => end.CancelAfter(options.StopGrace), null);
        await Task.WhenAll(Enumerable.Range(0, options.Workers).Select(_ => Task.Run(() => WorkAsync(end.Token, ct), CancellationToken.None)));
    }

    private async Task WorkAsync(CancellationToken end, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            TKey key;
            try
            {
                key = await queue.TakeAsync(ct);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            var started = time.GetTimestamp();
            var result = "error";
            try
            {
                result = await ReconcileAsync(key, end);
            }
            finally
            {
                queue.Done(key);
                options.OnReconciled?.Invoke(result, time.GetElapsedTime(started));
            }
        }
    }

    /// <returns>Its result, one word.</returns>
    private async Task<string> ReconcileAsync(TKey key, CancellationToken end)
    {
        using var timeout = new CancellationTokenSource(options.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, end);
        try
        {
            var result = await reconcile(key, either.Token);
            queue.Forget(key);
            if (result is not ReconcileResult.AfterResult(var delay))
                return "success";
            queue.AddAfter(key, delay);
            return "requeue";
        }
        catch (TerminalException e)
        {
            queue.Forget(key);
            Log.ReconcileTerminal(log, name, $"{key}", e.Message);
            return "terminal";
        }
        catch (ApiException e) when (e.IsConflict)
        {
            // Somebody else wrote in between: not worth a line at the usual level.
            queue.AddFailed(key);
            Log.ReconcileConflict(log, name, $"{key}", e.Message);
            return "error";
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            Log.ReconcileStopped(log, name, $"{key}");
            return "error";
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested)
        {
            queue.AddFailed(key);
            Log.ReconcileTimedOut(log, name, $"{key}", options.Timeout.TotalSeconds);
            return "error";
        }
        catch (Exception e)
        {
            queue.AddFailed(key, (e as ApiException)?.RetryAfter);
            Log.ReconcileFailed(log, name, $"{key}", e);
            return "error";
        }
    }
}

public sealed record ControllerOptions
{
    public int Workers { get; init; } = 2;

    /// <summary>How long one reconcile may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long after the stop what is in work may go on.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Told of each reconcile: its result (<c>success</c>, <c>error</c>, <c>terminal</c>, <c>requeue</c>) and how long it took.</summary>
    public Action<string, TimeSpan>? OnReconciled { get; init; }
}

public abstract record ReconcileResult
{
    public static readonly ReconcileResult Done = new DoneResult();

    /// <summary>Again after a time, since the world is waited for.</summary>
    public static ReconcileResult After(TimeSpan delay) => new AfterResult(delay);

    public sealed record DoneResult : ReconcileResult;

    public sealed record AfterResult(TimeSpan Delay) : ReconcileResult;
}

/// <summary>Trying again is of no use until something changes.</summary>
public sealed class TerminalException(string message, Exception? inner = null) : Exception(message, inner);
