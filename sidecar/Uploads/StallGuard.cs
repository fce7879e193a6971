namespace Premortem.Sidecar.Uploads;

/// <summary>
/// Cancels a request when the server neither takes bytes nor answers for too long. A slow network is no stall: what has been handed over
/// may still sit in the socket's buffer, and is given time to leave it.
/// </summary>
internal sealed class StallGuard : IDisposable
{
    // The most that the kernel buffers for one socket (net.ipv4.tcp_wmem), by default.
    private const long BufferedBytes = 4 * 1024 * 1024;

    private readonly TimeSpan _stall;
    private readonly long _slowest;
    private readonly CancellationTokenSource _timer;
    private readonly CancellationTokenSource _both;

    internal StallGuard(TimeSpan stall, long slowestBytesPerSecond, TimeProvider time, CancellationToken ct)
    {
        _stall = stall;
        _slowest = slowestBytesPerSecond;
        _timer = new CancellationTokenSource(stall, time);
        _both = CancellationTokenSource.CreateLinkedTokenSource(_timer.Token, ct);
    }

    internal CancellationToken Token => _both.Token;

    internal bool HasStalled => _timer.IsCancellationRequested;

    /// <param name="bytes">How much of the body has been handed over so far.</param>
    internal void Progress(long bytes) =>
        _timer.CancelAfter(_stall + TimeSpan.FromSeconds((double)Math.Min(bytes, BufferedBytes) / _slowest));

    public void Dispose()
    {
        _both.Dispose();
        _timer.Dispose();
    }
}
