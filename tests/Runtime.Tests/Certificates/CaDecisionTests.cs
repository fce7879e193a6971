using System.Security.Cryptography.X509Certificates;
using System.Text;
using Premortem.Runtime.Certificates;
using Xunit;

namespace Premortem.Runtime.Tests.Certificates;

public sealed class CaDecisionTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly CertificateOptions Options = new("ns", "ca", ["hook.ns.svc"]);
    private static readonly CaContent First = new CaDecision.Create("").Apply(new CaContent(), Start, Options);

    [Fact]
    public void An_empty_secret_gets_an_authority_that_signs_at_once()
    {
        Assert.IsType<CaDecision.Create>(CaDecision.Decide(Start, CaContent.Read(null), false, Options));
        Assert.NotNull(First.Current);
        Assert.Equal([First.Current.Certificate.Thumbprint], First.Bundle.Select(certificate => certificate.Thumbprint));
    }

    [Fact]
    public void What_is_written_is_read_back_the_same()
    {
        var all = new CaDecision.AddNext("").Apply(First, Start, Options);
        var read = CaContent.Read(all.ToData()!.Where(pair => pair.Value is not null).ToDictionary(pair => pair.Key, pair => pair.Value!));
        Assert.Equal((all.Current!.KeyPem, all.Next!.KeyPem, all.BundlePem, null), (read.Current!.KeyPem, read.Next!.KeyPem, read.BundlePem, read.Problem));
    }

    [Theory]
    [InlineData(0, false, "Keep")]
    [InlineData(243, false, "Keep")]
    [InlineData(244, false, "AddNext")]
    [InlineData(364, false, "AddNext")]
    [InlineData(365, false, "Create")]
    public void An_authority_alone_is_kept_for_two_thirds_of_its_time(int days, bool published, string decision) =>
        Assert.Equal(decision, CaDecision.Decide(Start.AddDays(days), First, published, Options).GetType().Name);

    [Theory]
    [InlineData(0.5, true, "Keep")]
    [InlineData(2, false, "Keep")]
    [InlineData(2, true, "UseNext")]
    [InlineData(24 * 200, false, "UseNext")]
    public void The_next_one_signs_when_it_has_been_trusted_for_a_while_or_when_the_other_has_expired(double hours, bool published, string decision)
    {
        var at = Start.AddDays(250);
        var both = new CaDecision.AddNext("").Apply(First, at, Options);
        Assert.Equal([both.Current!.Certificate, both.Next!.Certificate], both.Bundle);
        Assert.Same(First.Current, both.Current);
        Assert.Equal(decision, CaDecision.Decide(at.AddHours(hours), both, published, Options).GetType().Name);
    }

    [Fact]
    public void The_old_one_is_trusted_until_it_expires_and_then_let_go()
    {
        var at = Start.AddDays(250);
        var both = new CaDecision.AddNext("").Apply(First, at, Options);
        var after = new CaDecision.UseNext("").Apply(both, at.AddHours(2), Options);
        Assert.Equal(both.Next, after.Current);
        Assert.Null(after.Next);
        Assert.Equal([after.Current!.Certificate, First.Current!.Certificate], after.Bundle);
        Assert.IsType<CaDecision.Keep>(CaDecision.Decide(Start.AddDays(364), after, false, Options));
        var late = Start.AddDays(366);
        var decision = CaDecision.Decide(late, after, false, Options);
        Assert.IsType<CaDecision.WriteBundle>(decision);
        Assert.Equal([after.Current.Certificate], decision.Apply(after, late, Options).Bundle);
    }

    [Theory]
    [InlineData("tls.key", "bm9uc2Vuc2U=", "Create", "tls.key")]
    [InlineData("tls.crt", "%%%", "Create", "tls.crt")]
    [InlineData("ca.crt", "", "WriteBundle", "bundle")]
    [InlineData("next.crt", "bm9uc2Vuc2U=", "WriteBundle", "next.crt")]
    public void Content_that_cannot_be_read_is_made_anew_with_the_reason(string name, string value, string decision, string reason)
    {
        var data = First.ToData();
        data[name] = value;
        var decided = CaDecision.Decide(Start.AddDays(1), Read(data), false, Options);
        Assert.Equal(decision, decided.GetType().Name);
        Assert.Contains(reason, decided.Why, StringComparison.Ordinal);
        Assert.IsType<CaDecision.Keep>(CaDecision.Decide(Start.AddDays(1), Read(decided.Apply(Read(data), Start.AddDays(1), Options).ToData()), false, Options));
    }

    [Fact]
    public void A_key_of_another_certificate_is_no_authority()
    {
        var data = First.ToData();
        data["tls.key"] = new CaDecision.Create("").Apply(new CaContent(), Start, Options).ToData()["tls.key"];
        Assert.IsType<CaDecision.Create>(CaDecision.Decide(Start.AddDays(1), Read(data), false, Options));
    }

    [Fact]
    public void A_certificate_of_a_server_is_no_authority()
    {
        using var leaf = First.Current!.Issue(["a"], Start, TimeSpan.FromDays(30));
        Assert.Null(CertificateAuthority.Read(leaf.ExportCertificatePem(), leaf.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem(), out var problem));
        Assert.Equal("it is not the certificate of a CA", problem);
    }

    [Fact]
    public void A_certificate_is_for_its_hosts_and_trusted_by_the_bundle()
    {
        using var leaf = First.Current!.Issue(["hook.ns.svc", "127.0.0.1"], Start.AddDays(1), TimeSpan.FromDays(30));
        Assert.True(leaf.MatchesHostname("hook.ns.svc"));
        Assert.True(leaf.MatchesHostname("127.0.0.1"));
        Assert.False(leaf.MatchesHostname("other.ns.svc"));
        Assert.True(IsTrusted(leaf, First, Start.AddDays(2)));
        Assert.False(IsTrusted(leaf, First, Start.AddDays(32)));
        var other = new CaDecision.Create("").Apply(new CaContent(), Start, Options);
        Assert.False(IsTrusted(leaf, other, Start.AddDays(2)));
    }

    [Fact]
    public void A_certificate_ends_with_its_authority()
    {
        using var leaf = First.Current!.Issue(["a"], Start.AddDays(360), TimeSpan.FromDays(30));
        Assert.Equal(First.Current.Certificate.NotAfter, leaf.NotAfter);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(19, false)]
    [InlineData(20, true)]
    [InlineData(31, true)]
    public void A_serving_certificate_is_renewed_after_two_thirds_of_its_time(int days, bool isNeeded)
    {
        using var leaf = First.Current!.Issue(["a"], Start, TimeSpan.FromDays(30));
        Assert.Equal(isNeeded, ServingCertificate.Decide(Start.AddDays(days), leaf, First).IsNeeded);
    }

    [Fact]
    public void A_serving_certificate_of_an_authority_that_nobody_trusts_is_renewed()
    {
        using var leaf = First.Current!.Issue(["a"], Start, TimeSpan.FromDays(30));
        var other = new CaDecision.Create("").Apply(new CaContent(), Start, Options);
        Assert.True(ServingCertificate.Decide(Start, leaf, other).IsNeeded);
        Assert.False(ServingCertificate.Decide(Start, leaf, other with { Bundle = [.. other.Bundle, .. First.Bundle] }).IsNeeded);
        Assert.True(ServingCertificate.Decide(Start, null, First).IsNeeded);
    }

    private static CaContent Read(Dictionary<string, string?> data) =>
        CaContent.Read(data.Where(pair => pair.Value is not null).ToDictionary(pair => pair.Key, pair => pair.Value!));

    private static bool IsTrusted(X509Certificate2 leaf, CaContent content, DateTimeOffset at)
    {
        // By the PEM that goes into a caBundle, and by nothing else.
        using var chain = new X509Chain();
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(content.BundlePem)));
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = at.UtcDateTime;
        return chain.Build(leaf);
    }
}
