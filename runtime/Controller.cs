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

    /// <summary>Until it is cancelled; then what is in work is finished.</summary>
    public Task RunAsync(CancellationToken ct) => throw new NotImplementedException($"{reconcile} {options} {time} {log}");
}

public sealed record ControllerOptions
{
    public int Workers { get; init; } = 2;

    /// <summary>How long one reconcile may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(1);

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
