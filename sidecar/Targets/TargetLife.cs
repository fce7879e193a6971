using Premortem.Contracts;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Diagnostics;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Targets;

/// <summary>One life of a target's main process, from when it was found to its end. Captures hold on to it beyond that.</summary>
/// <param name="beganAt">When the watch over it began, monotonic.</param>
internal sealed class TargetLife(ProcessHandle process, TargetIdentity identity, long startTicks, TimeSpan beganAt) : IDisposable
{
    private readonly TaskCompletionSource<TargetEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _found = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile TargetIdentity _identity = identity;
    private volatile ICaptureSource? _source;
    private volatile Obstacle? _problem;
    private volatile HeapMonitor? _heap;
    private volatile bool _isReplaced;
    private volatile string? _profilesAt;
    private CancellationTokenSource _probe = new();
    private List<ICaptureSource>? _retired;
    private long _containerLimit;

    public ProcessHandle Process { get; } = process;

    public long StartTicks { get; } = startTicks;

    public TimeSpan BeganAt { get; } = beganAt;

    public TargetIdentity Identity => _identity;

    /// <summary>Where captures come from; null while nothing is found.</summary>
    public ICaptureSource? Source => _source;

    /// <summary>Completes when there is a <see cref="Source"/> for the first time.</summary>
    public Task Found => _found.Task;

    /// <summary>The address of <see cref="Source"/>, for people.</summary>
    public string? ProfilesAt => _profilesAt;

    /// <summary>Why there is no <see cref="Source"/>, as far as the search has come.</summary>
    public Obstacle? Problem => _problem;

    /// <summary>The container's limit when this was last looked at; null: none.</summary>
    public long? ContainerLimitBytes
    {
        get => Volatile.Read(ref _containerLimit) is > 0 and var bytes ? bytes : null;
        set => Volatile.Write(ref _containerLimit, value ?? 0);
    }

    public Task<TargetEnd> Ended => _ended.Task;

    /// <summary>Completes when the process has ended, or another is watched in its place.</summary>
    public Task Over => _over.Task;

    /// <summary>What a .NET runtime last said of its heap; null: there is none that says anything.</summary>
    public HeapState? Heap => _heap?.Last;

    public bool HasEnded => _ended.Task.IsCompleted;

    public void Learn(string? executable, RuntimeIdentity? runtime) => _identity = _identity with { Executable = executable, Runtime = runtime };

    /// <summary>Captures come from here now. A capture that is under way keeps what it has.</summary>
    public void Use(ICaptureSource source, string at)
    {
        lock (_over)
            (_profilesAt, _source, _problem) = (at, Retiring(source), null);
        _found.TrySetResult();
    }

    /// <summary>It was looked for, and is not there, or no longer.</summary>
    public void Miss(Obstacle problem)
    {
        lock (_over)
            (_problem, _profilesAt, _source) = (problem, null, Retiring(null));
    }

    /// <summary>A search begins: one that goes on ends.</summary>
    public CancellationToken RenewProbe()
    {
        var renewed = new CancellationTokenSource();
        Interlocked.Exchange(ref _probe, renewed).Cancel();
        return renewed.Token;
    }

    private ICaptureSource? Retiring(ICaptureSource? next)
    {
        if (_source is { } former)
            (_retired ??= []).Add(former);
        return next;
    }

    public void Listen(HeapMonitor heap) => _heap = heap;

    /// <summary>Keeps <see cref="Heap"/> up to date until this is over.</summary>
    public Task ListenAsync(CancellationToken ct) => _heap?.RunAsync(Over, ct) ?? Task.CompletedTask;

    public void End(TargetEnd end)
    {
        _ended.TrySetResult(end);
        _over.TrySetResult();
    }

    /// <summary>Whether another process of the target is watched in its place: nobody will say how this one ends.</summary>
    public bool IsReplaced => _isReplaced;

    public void Replace()
    {
        _isReplaced = true;
        _over.TrySetResult();
        _probe.Cancel();
    }

    public void Dispose()
    {
        Process.Dispose();
        _source?.Dispose();
        lock (_over)
            foreach (var former in _retired ?? [])
                former.Dispose();
    }
}
