using Premortem.Sidecar.Diagnostics;

namespace Premortem.Sidecar.Captures;

/// <summary>Ends an EventPipe session beside whoever reads it: after its time, or when it is told to.</summary>
/// <param name="duration">For how long it goes on; null: until it is told to end.</param>
internal sealed class SessionStopper(EventPipeSession session, TimeSpan? duration, TimeProvider time) : IDisposable
{
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ITimer? _quiet;

    public void Dispose() => _quiet?.Dispose();

    public void End() => _end.TrySetResult();

    /// <summary>Ends it when this is not called again for so long.</summary>
    public void EndWhenQuietFor(TimeSpan silence)
    {
        _quiet ??= time.CreateTimer(_ => End(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _quiet.Change(silence, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Returns when the session was asked to end, or <paramref name="ct"/> says that it has.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        try
        {
            if (duration is { } whole)
                await Task.WhenAny(_end.Task, Task.Delay(whole, time, ct));
            else
                await _end.Task.WaitAsync(ct);
            ct.ThrowIfCancellationRequested();
            await session.StopAsync(ct);
        }
        catch (OperationCanceledException)
        {
        }
        catch (DiagnosticsException)
        {
            // Whoever reads the stream learns why: it has ended, or goes on until its time is up.
        }
    }
}
