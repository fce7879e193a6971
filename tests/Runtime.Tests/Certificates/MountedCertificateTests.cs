using Microsoft.Extensions.Time.Testing;
using Premortem.Runtime.Certificates;
using Premortem.Testing;
using Xunit;

namespace Premortem.Runtime.Tests.Certificates;

public sealed class MountedCertificateTests : IAsyncDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(Start);
    private readonly RecordingLog _log = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromSeconds(10));
        _stop.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_certificate_is_read_when_it_comes_and_again_when_it_changes_and_the_last_good_one_stays()
    {
        var certificate = new MountedCertificate(_folder.Path, _time, _log);
        _running = certificate.RunAsync(_stop.Token);
        await Eventually.IsTrue(() => _log.Count(3446) == 1, "it is missed");
        Assert.False(certificate.IsReady);

        var first = Write("first");
        await AdvanceUntil(() => certificate.IsReady);
        Assert.Equal(first, certificate.Current!.Thumbprint);

        await File.WriteAllTextAsync(Path.Combine(_folder.Path, "tls.key"), "half of a", TestContext.Current.CancellationToken);
        await AdvanceUntil(() => _log.Count(3446) == 2);
        Assert.Equal(first, certificate.Current.Thumbprint);

        var second = Write("second");
        await AdvanceUntil(() => certificate.Current.Thumbprint == second);
        Assert.Equal(2, _log.Count(3445));
    }

    private string Write(string host)
    {
        using var leaf = CertificateAuthority.Create("test", Start, TimeSpan.FromDays(100)).Issue([host], Start, TimeSpan.FromDays(10));
        using var key = System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(leaf)!;
        File.WriteAllText(Path.Combine(_folder.Path, "tls.key"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(Path.Combine(_folder.Path, "tls.crt"), leaf.ExportCertificatePem());
        return leaf.Thumbprint;
    }

    private Task AdvanceUntil(Func<bool> condition) => Eventually.IsTrue(
        () =>
        {
            if (condition())
                return true;
            _time.Advance(TimeSpan.FromSeconds(2));
            return false;
        },
        "as the clock goes on");
}
