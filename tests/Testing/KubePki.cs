using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Premortem.Testing;

/// <summary>A certificate authority of a test's own, P-256, good for a day.</summary>
public sealed class KubePki : IDisposable
{
    private readonly X509Certificate2 _ca;

    public KubePki(string name = "premortem-test-ca")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign | X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var (from, until) = Validity();
        _ca = request.CreateSelfSigned(from, until);
    }

    /// <summary>What others trust, PEM.</summary>
    public string CaBundle => _ca.ExportCertificatePem();

    /// <summary>A certificate and its key for a server on these names and addresses, PEM.</summary>
    public (string Certificate, string Key) IssueServer(params string[] names)
    {
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var address))
                alternatives.AddIpAddress(address);
            else
                alternatives.AddDnsName(name);
        }
        return Issue($"CN={names[0]}", "1.3.6.1.5.5.7.3.1", alternatives.Build());
    }

    /// <summary>A certificate and its key for a client; Kubernetes takes CN for the user and O for a group.</summary>
    public (string Certificate, string Key) IssueClient(string user, string group) => Issue($"O={group}, CN={user}", "1.3.6.1.5.5.7.3.2", null);

    public void Dispose() => _ca.Dispose();

    private static (DateTimeOffset From, DateTimeOffset Until) Validity()
    {
        var now = TimeProvider.System.GetUtcNow();
        return (now.AddMinutes(-5), now.AddDays(1));
    }

    private (string Certificate, string Key) Issue(string subject, string usage, X509Extension? alternatives)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_ca, true, false));
        if (alternatives is not null)
            request.CertificateExtensions.Add(alternatives);
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7F;
        using var certificate = request.Create(_ca, _ca.NotBefore, _ca.NotAfter, serial);
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }
}
