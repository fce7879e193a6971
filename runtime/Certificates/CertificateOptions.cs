namespace Premortem.Runtime.Certificates;

/// <summary>The webhooks' certificates, where this program makes them itself.</summary>
/// <param name="Namespace">Of the Secret.</param>
/// <param name="SecretName">The Secret of the authority. It has to be there; that it is empty is right. It is read and patched.</param>
/// <param name="Hosts">The names that API servers call the webhooks by: <c>NAME.NAMESPACE.svc</c>.</param>
public sealed record CertificateOptions(string Namespace, string SecretName, IReadOnlyList<string> Hosts)
{
    /// <summary>MutatingWebhookConfigurations to keep the <c>caBundle</c> of.</summary>
    public IReadOnlyList<string> MutatingWebhooks { get; init; } = [];

    /// <summary>ValidatingWebhookConfigurations to keep the <c>caBundle</c> of.</summary>
    public IReadOnlyList<string> ValidatingWebhooks { get; init; } = [];

    /// <summary>Stands in the authority's certificate, for people who look at it.</summary>
    public string AuthorityName { get; init; } = "webhook-ca";

    /// <summary>After two thirds of it the next one is made.</summary>
    public TimeSpan AuthorityLifetime { get; init; } = TimeSpan.FromDays(365);

    /// <summary>How long the next authority is trusted before it signs.</summary>
    public TimeSpan Overlap { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Of the serving certificate, which never leaves this program; after two thirds of it there is a new one.</summary>
    public TimeSpan ServingLifetime { get; init; } = TimeSpan.FromDays(30);

    /// <summary>How often everything is looked at: so long may a wiped <c>caBundle</c> stay so.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMinutes(1);
}
