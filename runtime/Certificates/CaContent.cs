using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Premortem.Runtime.Certificates;

/// <summary>What stands in the Secret of the authority, as far as it can be read.</summary>
internal sealed record CaContent
{
    /// <summary>Signs now; null: there is none, or it cannot be read.</summary>
    public CertificateAuthority? Current { get; init; }

    /// <summary>Is to sign next, and waits until everybody trusts it.</summary>
    public CertificateAuthority? Next { get; init; }

    /// <summary>All that are to be trusted, retired ones too.</summary>
    public IReadOnlyList<X509Certificate2> Bundle { get; init; } = [];

    /// <summary>What of it cannot be read; null: it is right, or there is nothing.</summary>
    public string? Problem { get; init; }

    /// <summary>The bundle in PEM: what a <c>caBundle</c> is.</summary>
    public string BundlePem => string.Concat(Bundle.Select(certificate => certificate.ExportCertificatePem() + "\n"));

    /// <param name="data">A Secret's <c>data</c>: base64 by name.</param>
    public static CaContent Read(IReadOnlyDictionary<string, string>? data)
    {
        var problems = new List<string>();
        return new CaContent
        {
            Current = ReadAuthority("tls"),
            Next = ReadAuthority("next"),
            Bundle = ReadBundle(),
            Problem = problems.Count == 0 ? null : string.Join("; ", problems),
        };

        CertificateAuthority? ReadAuthority(string name)
        {
            var certificate = Text($"{name}.crt");
            var key = Text($"{name}.key");
            if (certificate is null && key is null)
                return null;
            var authority = CertificateAuthority.Read(certificate ?? "", key ?? "", out var problem);
            if (problem is not null)
                problems.Add($"{name}.crt, {name}.key: {problem}");
            return authority;
        }

        IReadOnlyList<X509Certificate2> ReadBundle()
        {
            try
            {
                var bundle = new X509Certificate2Collection();
                bundle.ImportFromPem(Text("ca.crt"));
                return [.. bundle];
            }
            catch (CryptographicException e)
            {
                problems.Add($"ca.crt: {e.Message}");
                return [];
            }
        }

        string? Text(string name)
        {
            if (data?.GetValueOrDefault(name) is not { Length: > 0 } base64)
                return null;
            try
            {
                return Encoding.UTF8.GetString(Convert.FromBase64String(base64));
            }
            catch (FormatException)
            {
                return "";
            }
        }
    }

    /// <summary>The whole <c>data</c>; null removes a name.</summary>
    public Dictionary<string, string?> ToData() => new()
    {
        ["tls.crt"] = Base64(Current?.CertificatePem),
        ["tls.key"] = Base64(Current?.KeyPem),
        ["next.crt"] = Base64(Next?.CertificatePem),
        ["next.key"] = Base64(Next?.KeyPem),
        ["ca.crt"] = Base64(BundlePem),
    };

    /// <summary>With the bundle that it should have: who signs, who will, and who did for as long as that is valid.</summary>
    public CaContent WithBundle(DateTimeOffset now)
    {
        IEnumerable<X509Certificate2?> all = [Current?.Certificate, Next?.Certificate, .. Bundle.Where(certificate => certificate.NotAfter.ToUniversalTime() > now.UtcDateTime)];
        return this with { Bundle = [.. all.OfType<X509Certificate2>().DistinctBy(certificate => certificate.Thumbprint)] };
    }

    private static string? Base64(string? text) => text is null ? null : Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
