using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Premortem.Runtime.Certificates;

/// <summary>What the webhooks' server shows its callers. It changes while the server runs.</summary>
public interface IWebhookCertificate
{
    /// <summary>Null: there is none yet.</summary>
    X509Certificate2? Current { get; }

    /// <summary>The current one with its chain, made once: connections share it.</summary>
    SslStreamCertificateContext? Context { get; }

    /// <summary>Whether there is one, and API servers have been told to trust it.</summary>
    bool IsReady { get; }

    Task WhenReadyAsync(CancellationToken ct);

    /// <summary>Makes it, and renews it, until it is cancelled.</summary>
    Task RunAsync(CancellationToken ct);
}

public static class WebhookCertificateExtensions
{
    /// <summary>HTTPS with whatever the certificate is when a connection comes. Without one the connection is refused.</summary>
    public static ListenOptions UseHttps(this ListenOptions listen, IWebhookCertificate certificate) => listen.UseHttps(new TlsHandshakeCallbackOptions
    {
        OnConnection = _ => certificate.Context is { } context
            ? ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = context,
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            })
            : throw new AuthenticationException("there is no certificate yet"),
    });
}
