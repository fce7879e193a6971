using System.Net.Sockets;
using Premortem.Sidecar.Hosting;
using Xunit;

namespace Premortem.Sidecar.Tests.Hosting;

public sealed class BrokenConnectionsTests
{
    [Fact]
    public async Task What_a_socket_throws_bare_is_an_error_of_the_connection()
    {
        using var http = new HttpMessageInvoker(new BrokenConnections(new GoneAtBirth()));
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://127.0.0.1:1/");

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => http.SendAsync(request, TestContext.Current.CancellationToken));
        Assert.Equal(HttpRequestError.ConnectionError, error.HttpRequestError);
        Assert.Equal(SocketError.NotConnected, Assert.IsType<SocketException>(error.InnerException).SocketErrorCode);
    }

    private sealed class GoneAtBirth : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromException<HttpResponseMessage>(new SocketException((int)SocketError.NotConnected));
    }
}
