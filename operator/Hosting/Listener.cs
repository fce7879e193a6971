using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Premortem.Operator.Hosting;

/// <summary>One port that is served until it is disposed; what is in flight then is finished.</summary>
internal sealed class Listener : IAsyncDisposable
{
    /// <summary>A pod with its whole history of fields, twice, and what surrounds it; the API server sends no more than 3 MiB of an object.</summary>
    private const long MaxBodyBytes = 8 << 20;

    private static readonly TimeSpan s_finish = TimeSpan.FromSeconds(10);
    private readonly WebApplication _app;
    private int _isDisposed;

    private Listener(WebApplication app) => _app = app;

    /// <summary>The port that was got, where any was asked for.</summary>
    public int Port => new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First().Replace("[::]", "localhost", StringComparison.Ordinal).Replace("0.0.0.0", "localhost", StringComparison.Ordinal)).Port;

    /// <param name="certificate">Asked for at each handshake; null: plain HTTP.</param>
    public static async Task<Listener> StartAsync(
        string address,
        int port,
        Func<SslStreamCertificateContext?>? certificate,
        ILoggerFactory loggers,
        Action<WebApplication> map,
        CancellationToken ct)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddRoutingCore();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = s_finish);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxBodyBytes;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(5);
            kestrel.Limits.MaxConcurrentConnections = 10_000;
            kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
            kestrel.Listen(IPAddress.Parse(address), port, endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http1AndHttp2;
                if (certificate is not null)
                    endpoint.UseHttps(new TlsHandshakeCallbackOptions
                    {
                        HandshakeTimeout = TimeSpan.FromSeconds(10),
                        OnConnection = _ => certificate() is { } context
                            ? ValueTask.FromResult(new SslServerAuthenticationOptions
                            {
                                ServerCertificateContext = context,
                                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                            })
                            : throw new AuthenticationException("there is no certificate yet"),
                    });
            });
        });
        var app = builder.Build();
        try
        {
            map(app);
            await app.StartAsync(ct);
            return new Listener(app);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 1)
            return;
        using var deadline = new CancellationTokenSource(s_finish);
        try
        {
            await _app.StopAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
        }
        await _app.DisposeAsync();
    }

    /// <summary>Signals are for <see cref="OperatorProcess"/> to hear.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
