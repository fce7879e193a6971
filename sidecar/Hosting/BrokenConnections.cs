using System.Net.Sockets;

namespace Premortem.Sidecar.Hosting;

/// <summary>
/// A peer that is gone between a connection and the first request on it makes <see cref="SocketsHttpHandler"/> throw the socket's error bare.
/// It is one of the connection, like all others.
/// </summary>
internal sealed class BrokenConnections(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await base.SendAsync(request, cancellationToken);
        }
        catch (SocketException e)
        {
            throw new HttpRequestException(HttpRequestError.ConnectionError, e.Message, e);
        }
    }
}
