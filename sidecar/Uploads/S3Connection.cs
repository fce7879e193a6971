using Amazon.Runtime;

namespace Premortem.Sidecar.Uploads;

/// <summary>The connections of one store to its server. Time is <c>StallGuard</c>'s, tries are <c>S3Store</c>'s.</summary>
internal sealed class S3Connection : HttpClientFactory, IDisposable
{
    private readonly HttpClient _client;

    internal S3Connection(HttpMessageHandler? handler, S3Limits limits) =>
        _client = new HttpClient(new NoExpectation { InnerHandler = handler ?? Network(limits) }) { Timeout = Timeout.InfiniteTimeSpan };

    public override HttpClient CreateHttpClient(IClientConfig clientConfig) => _client;

    // One client a store, and the store's to dispose of: the SDK's cache is the process's, and outlives it.
    public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

    public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;

    public void Dispose() => _client.Dispose();

    private static SocketsHttpHandler Network(S3Limits limits) => new()
    {
        AllowAutoRedirect = false,
        ConnectTimeout = limits.ConnectTimeout,
        // A name may come to mean another machine.
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        UseCookies = false,
    };

    // The SDK asks with "Expect: 100-continue" before each body: a round trip, or a whole second with servers that do not know it.
    private sealed class NoExpectation : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.ExpectContinue = false;
            return base.SendAsync(request, cancellationToken);
        }
    }
}
