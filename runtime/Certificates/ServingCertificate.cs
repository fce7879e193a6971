using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using k8s;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime.Certificates;

/// <summary>
/// A certificate of one's own making: signed by the authority in a Secret that all replicas share, itself in memory alone. The webhook configurations
/// are told to trust the authority, and the next one before it signs, so that no call is refused in between.
/// </summary>
public sealed class ServingCertificate(IKubernetes client, CertificateOptions options, TimeProvider time, ILogger log) : IWebhookCertificate
{
    private readonly CaSecret _secret = new(client, options, time, log);
    private readonly CaBundleInjector _injector = new(client, options, log);
    private readonly Backoff _retry = new(TimeSpan.FromSeconds(1), options.Interval);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile SslStreamCertificateContext? _context;
    private string? _published;

    public X509Certificate2? Current => _context?.TargetCertificate;

    public SslStreamCertificateContext? Context => _context;

    /// <summary>PEM of the authorities that are trusted: the one that signs, and the next or the last one; null: not known yet.</summary>
    public string? Bundle => _published;

    public bool IsReady => _ready.Task.IsCompleted;

    public Task WhenReadyAsync(CancellationToken ct) => _ready.Task.WaitAsync(ct);

    public async Task RunAsync(CancellationToken ct)
    {
        var failures = 0;
        try
        {
            while (true)
            {
                TimeSpan wait;
                try
                {
                    var isWhole = await StepAsync(ct);
                    failures = isWhole ? 0 : failures + 1;
                    wait = isWhole ? options.Interval : _retry.Delay(failures, Random.Shared.NextDouble());
                }
                catch (Exception e) when (e is ApiException or CryptographicException)
                {
                    wait = _retry.Delay(++failures, Random.Shared.NextDouble());
                    if ((e as ApiException)?.RetryAfter is { } asked && asked > wait)
                        wait = asked;
                    Log.CertificatesFailed(log, e.Message, wait.TotalSeconds);
                }
                await Task.Delay(wait, time, ct);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
        }
    }

    /// <summary>Whether another serving certificate is needed, and why.</summary>
    internal static (bool IsNeeded, string Reason) Decide(DateTimeOffset now, X509Certificate2? has, CaContent authority)
    {
        if (has is null)
            return (true, "there is none yet");
        var from = new DateTimeOffset(has.NotBefore.ToUniversalTime());
        var until = new DateTimeOffset(has.NotAfter.ToUniversalTime());
        if (until <= now)
            return (true, $"it expired at {until:u}");
        if (now >= from + ((until - from) * 2 / 3))
            return (true, $"two thirds of its time have passed, it expires at {until:u}");
        var issuer = has.Extensions.OfType<X509AuthorityKeyIdentifierExtension>().FirstOrDefault()?.KeyIdentifier;
        var isTrusted = issuer is { } id && authority.Bundle.Any(certificate =>
            certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>().Any(key => key.SubjectKeyIdentifierBytes.Span.SequenceEqual(id.Span)));
        return isTrusted ? (false, "") : (true, "the authority that signed it is not trusted any more");
    }

    /// <returns>Whether everything is as it should be.</returns>
    private async Task<bool> StepAsync(CancellationToken ct)
    {
        var authority = await _secret.ReconcileAsync(content => content.BundlePem == _published, ct);
        var now = time.GetUtcNow();
        // The first one is made before anybody is told: then a call that comes early is answered.
        if (_context is null)
            Renew(authority, now, "there is none yet");
        var bundle = authority.BundlePem;
        var isInjected = await _injector.InjectAsync(bundle, ct);
        _published = isInjected ? bundle : null;
        if (Decide(now, Current, authority) is (true, var reason))
            Renew(authority, now, reason);
        if (isInjected)
            _ready.TrySetResult();
        return isInjected;
    }

    private void Renew(CaContent authority, DateTimeOffset now, string reason)
    {
        // What it replaces may still be in the hands of connections: it is left to the garbage collector.
        var certificate = authority.Current!.Issue(options.Hosts, now, options.ServingLifetime);
        _context = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);
        Log.CertificateIssued(log, certificate.NotAfter.ToUniversalTime(), reason);
    }
}
