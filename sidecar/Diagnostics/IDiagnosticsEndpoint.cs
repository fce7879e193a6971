namespace Premortem.Sidecar.Diagnostics;

/// <summary>How to reach one runtime's diagnostics server: its own socket, or the port it dials.</summary>
internal interface IDiagnosticsEndpoint : IDisposable
{
    /// <summary>The address, for people.</summary>
    string Address { get; }

    /// <summary>A connection for one command. The runtime closes it after its answer, or streams on it.</summary>
    /// <exception cref="DiagnosticsException">There is none to be had.</exception>
    Task<Stream> ConnectAsync(CancellationToken ct);
}
