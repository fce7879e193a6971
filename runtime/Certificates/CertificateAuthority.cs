using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Premortem.Runtime.Certificates;

/// <summary>A certificate authority of one's own, ECDSA on P-256: its certificate and the key to sign with.</summary>
internal sealed class CertificateAuthority
{
    // Clocks of API servers may be behind.
    internal static readonly TimeSpan Backdated = TimeSpan.FromHours(1);

    private CertificateAuthority(X509Certificate2 certificate) => Certificate = certificate;

    public X509Certificate2 Certificate { get; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset Since => new DateTimeOffset(Certificate.NotBefore.ToUniversalTime()) + Backdated;

    public DateTimeOffset Until => new(Certificate.NotAfter.ToUniversalTime());

    /// <param name="name">For people who look at it.</param>
    public static CertificateAuthority Create(string name, DateTimeOffset now, TimeSpan lifetime)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // Each has a name of its own: two of one name in a bundle are hard to tell apart.
        var request = new CertificateRequest($"CN={name} {now.UtcDateTime:yyyyMMddHHmmss}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return new CertificateAuthority(request.CreateSelfSigned(now - Backdated, now + lifetime));
    }

    /// <param name="problem">Why it cannot be used.</param>
    /// <returns>Null: it cannot be used.</returns>
    public static CertificateAuthority? Read(string certificatePem, string keyPem, out string? problem)
    {
        problem = null;
        try
        {
            var certificate = X509Certificate2.CreateFromPem(certificatePem, keyPem);
            if (certificate.GetECDsaPublicKey() is null)
                problem = "its key is not ECDSA";
            else if (certificate.Extensions.OfType<X509BasicConstraintsExtension>().FirstOrDefault() is not { CertificateAuthority: true })
                problem = "it is not the certificate of a CA";
            else
                return new CertificateAuthority(certificate);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            problem = e.Message;
        }
        return null;
    }

    public string CertificatePem => Certificate.ExportCertificatePem();

    public string KeyPem
    {
        get
        {
            using var key = Certificate.GetECDsaPrivateKey()!;
            return key.ExportPkcs8PrivateKeyPem();
        }
    }

    /// <summary>A certificate for a server.</summary>
    /// <param name="hosts">DNS names and IP addresses.</param>
    /// <param name="lifetime">At most: it ends with the authority.</param>
    public X509Certificate2 Issue(IReadOnlyList<string> hosts, DateTimeOffset now, TimeSpan lifetime)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // The common name holds 64 characters, and nobody reads it any more.
        var request = new CertificateRequest("CN=webhook", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var host in hosts)
            if (IPAddress.TryParse(host, out var address))
                names.AddIpAddress(address);
            else
                names.AddDnsName(host);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var from = now - Backdated;
        var until = now + lifetime;
        var earliest = new DateTimeOffset(Certificate.NotBefore.ToUniversalTime());
        using var signed = request.Create(
            Certificate, from > earliest ? from : earliest, until < Until ? until : Until, RandomNumberGenerator.GetBytes(16));
        return signed.CopyWithPrivateKey(key);
    }
}
