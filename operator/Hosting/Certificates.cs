using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using k8s;
using Premortem.Runtime.Certificates;

namespace Premortem.Operator.Hosting;

/// <summary>What the operator proves itself with, and what sidecars are told to trust.</summary>
internal sealed class Certificates
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);
    private readonly IWebhookCertificate _serving;
    private readonly Func<string?> _readBundle;
    private readonly string _missing;
    private readonly TimeProvider _time;
    private volatile string? _bundle;

    public Certificates(IKubernetes client, OperatorOptions options, string @namespace, ILoggerFactory loggers, TimeProvider time)
    {
        _time = time;
        var log = loggers.CreateLogger<Certificates>();
        if (options.CertificateMode == CertificateMode.Files)
        {
            _serving = new MountedCertificate(options.CertificateDirectory, time, log);
            _readBundle = () => ReadFile(Path.Combine(options.CertificateDirectory, "ca.crt"));
            _missing = $"tls.crt, tls.key or ca.crt in {options.CertificateDirectory}";
            return;
        }
        string service = $"{options.ServiceName}.{@namespace}";
        var made = new ServingCertificate(
            client,
            new CertificateOptions(@namespace, options.CaSecret, [$"{service}.svc", service, $"{service}.svc.cluster.local", "localhost", "127.0.0.1"])
            {
                MutatingWebhooks = [options.WebhookConfiguration],
                ValidatingWebhooks = [options.WebhookConfiguration],
                AuthorityName = "premortem-ca",
            },
            time,
            log);
        _serving = made;
        _readBundle = () => made.Bundle;
        _missing = $"Secret {options.CaSecret}, or {options.WebhookConfiguration} among the MutatingWebhookConfigurations and ValidatingWebhookConfigurations";
    }

    public SslStreamCertificateContext? Context => _serving.Context;

    /// <summary>Null: there is none yet.</summary>
    public X509Certificate2? Current => _serving.Current;

    /// <summary>PEM of the CAs that sidecars are to trust; null: not known yet.</summary>
    public string? Bundle => _bundle;

    /// <summary>Told when <see cref="Bundle"/> is another.</summary>
    public Action? OnBundleChanged { get; set; }

    /// <summary>What is missing, in words; null: nothing.</summary>
    public string? Missing => _serving.IsReady && _bundle is not null ? null : $"not there yet, or not known to API servers: {_missing}";

    /// <summary>Keeps them right, until it is cancelled.</summary>
    public Task RunAsync(CancellationToken ct) => Task.WhenAll(_serving.RunAsync(ct), WatchBundleAsync(ct));

    private async Task WatchBundleAsync(CancellationToken ct)
    {
        while (true)
        {
            if (_readBundle() is { } bundle && bundle != _bundle)
            {
                _bundle = bundle;
                OnBundleChanged?.Invoke();
            }
            // Soon while it is waited for; then a file is looked at so often and no more.
            await Task.Delay(_bundle is null ? s_look / 50 : s_look, _time, ct);
        }
    }

    private static string? ReadFile(string path)
    {
        try
        {
            return File.ReadAllText(path) is { Length: > 0 } text ? text : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
