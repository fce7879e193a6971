using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Hosting;

namespace Premortem.Sidecar.Uploads;

/// <summary>The connections of one store to its server. Time is <c>StallGuard</c>'s, tries are <c>S3Store</c>'s.</summary>
internal sealed class S3Connection : HttpClientFactory, IDisposable
{
    private static readonly string[] s_regionVariables = ["AWS_REGION", "AWS_DEFAULT_REGION"];

    private readonly HttpClient _client;

    internal S3Connection(HttpMessageHandler? handler, S3Limits limits) =>
        _client = new HttpClient(new NoExpectation { InnerHandler = handler ?? Network(limits) }) { Timeout = Timeout.InfiniteTimeSpan };

    public override HttpClient CreateHttpClient(IClientConfig clientConfig) => _client;

    // One client a store, and the store's to dispose of: the SDK's cache is the process's, and outlives it.
    public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

    public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;

    /// <summary>How a client speaks to the server: each request once and alone, by this connection.</summary>
    internal AmazonS3Config Configure(S3Storage storage)
    {
        var config = new AmazonS3Config
        {
            ForcePathStyle = storage.ForcePathStyle,
            // Newer defaults (trailing checksums) are refused by servers other than AWS; what is sent instead, all of them check.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            // The stores try again: they know about stalls, and where to begin again or to go on.
            MaxErrorRetry = 0,
            ThrottleRetries = false,
            BufferSize = 128 * 1024,
            HttpClientFactory = this,
        };
        var region = storage.Region ?? s_regionVariables.Select(Environment.GetEnvironmentVariable).FirstOrDefault(name => !string.IsNullOrEmpty(name)) ?? "us-east-1";
        // The SDK takes one of both: an endpoint's region only signs.
        if (storage.Endpoint is { } endpoint)
            (config.ServiceURL, config.AuthenticationRegion) = (endpoint.AbsoluteUri, region);
        else
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        return config;
    }

    public void Dispose() => _client.Dispose();

    private static BrokenConnections Network(S3Limits limits) => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectTimeout = limits.ConnectTimeout,
        // A name may come to mean another machine.
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        UseCookies = false,
    });

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
