namespace Premortem.Sidecar.Diagnostics;

/// <summary>A runtime that dials the diagnostic port: each command takes the connection that waits, and the runtime dials again.</summary>
/// <param name="pid">Its process, as this program's PID namespace numbers it.</param>
/// <param name="ownPid">The same, as its own PID namespace numbers it.</param>
internal sealed class ReversedEndpoint(DiagnosticPortListener port, int pid, int ownPid) : IDiagnosticsEndpoint
{
    private Guid? _cookie;

    public string Address => port.Path;

    public async Task<Stream> ConnectAsync(CancellationToken ct)
    {
        (var stream, _cookie) = await port.TakeAsync(pid, ownPid, _cookie, ct);
        return stream;
    }

    public void Dispose()
    {
    }
}
