using System.Diagnostics.CodeAnalysis;
using Premortem.Sidecar.Hosting;

namespace Premortem.Sidecar.Targets;

/// <summary>HTTP as it is spoken with targets: straight to the address, nothing followed, nothing remembered, nothing unpacked.</summary>
internal static class TargetHttp
{
    internal static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    [SuppressMessage("Security", "CA5359", Justification = "See the comment at the callback.")]
    internal static HttpMessageInvoker Create(int maxConnections) => new(new BrokenConnections(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = System.Net.DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        ConnectTimeout = ConnectTimeout,
        MaxConnectionsPerServer = maxConnections,
        MaxResponseHeadersLength = 32,
        // A connection that was left with an unread body is closed, not drained: what comes may be without end.
        ResponseDrainTimeout = TimeSpan.Zero,
        PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
        PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
        SslOptions =
        {
            // The certificate of a debug port is made out for a service's name or for nobody, and this speaks over loopback with a process
            // that was found by its socket: the kernel vouches for who is at the other end, and no secret is sent.
            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
        },
    }));

    internal static HttpRequestMessage Request(HttpMethod method, Uri uri) => new(method, uri)
    {
        Version = System.Net.HttpVersion.Version11,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };
}
