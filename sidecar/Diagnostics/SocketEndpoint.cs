using System.Net.Sockets;
using Premortem.Contracts;

namespace Premortem.Sidecar.Diagnostics;

/// <summary>The socket on which a runtime listens by default, in the <c>/tmp</c> of its own mount namespace.</summary>
/// <param name="path">Where it stands from here.</param>
/// <param name="pid">The process that has to be the one that listens: anybody may put a socket into a <c>/tmp</c>. Null: whoever does.</param>
internal sealed class SocketEndpoint(string path, int? pid = null) : IDiagnosticsEndpoint
{
    public string Address => path;

    public async Task<Stream> ConnectAsync(CancellationToken ct)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), ct);
            if (pid is not null && SocketPeer.Pid(socket) is { } listener && listener != pid)
                throw new DiagnosticsException(Reasons.InvalidContent, $"process {listener} listens on {path}, and not the runtime whose it should be");
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e switch
            {
                SocketException { SocketErrorCode: SocketError.AccessDenied } => new DiagnosticsException(Reasons.AccessDenied, $"{path} may not be opened: run the sidecar as the target's user, or give the target a diagnostic port", e),
                SocketException { SocketErrorCode: SocketError.ConnectionRefused } => new DiagnosticsException(Reasons.EndpointRefused, $"nobody listens on {path}", e),
                SocketException => new DiagnosticsException(Reasons.EndpointNotFound, $"{path} cannot be reached: {e.Message}", e),
                ArgumentException => new DiagnosticsException(Reasons.EndpointNotFound, $"{path} is no path that a socket can have", e),
                _ => e,
            };
        }
    }

    public void Dispose()
    {
    }
}
