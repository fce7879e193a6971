using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime.Certificates;

/// <summary>
/// A certificate that somebody else makes, such as cert-manager: <c>tls.crt</c> (the chain behind it too) and <c>tls.key</c> in a folder, read again when
/// they change. What cannot be read leaves the last good one.
/// </summary>
public sealed class MountedCertificate(string folder, TimeProvider time, ILogger log) : IWebhookCertificate
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile SslStreamCertificateContext? _context;
    private (string Certificate, string Key) _read;
    private string? _said;

    public X509Certificate2? Current => _context?.TargetCertificate;

    public SslStreamCertificateContext? Context => _context;

    public bool IsReady => _ready.Task.IsCompleted;

    public Task WhenReadyAsync(CancellationToken ct) => _ready.Task.WaitAsync(ct);

    public async Task RunAsync(CancellationToken ct)
    {
        // By time: the kubelet swaps a link some folders up, which watching files does not tell.
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            do
                await ReadAsync(ct);
            while (await timer.WaitForNextTickAsync(ct));
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
        }
    }

    private async Task ReadAsync(CancellationToken ct)
    {
        try
        {
            var read = (await File.ReadAllTextAsync(Path.Combine(folder, "tls.crt"), ct), await File.ReadAllTextAsync(Path.Combine(folder, "tls.key"), ct));
            if (read == _read)
                return;
            var certificate = X509Certificate2.CreateFromPem(read.Item1, read.Item2);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPem(read.Item1);
            chain.RemoveAt(0);
            _context = SslStreamCertificateContext.Create(certificate, chain, offline: true);
            _read = read;
            _said = null;
            Log.CertificateRead(log, folder, certificate.NotAfter.ToUniversalTime());
            _ready.TrySetResult();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            if (_said != e.Message)
                Log.CertificateUnreadable(log, folder, e.Message);
            _said = e.Message;
        }
    }
}
