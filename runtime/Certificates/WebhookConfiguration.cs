namespace Premortem.Runtime.Certificates;

/// <summary>A Mutating- or ValidatingWebhookConfiguration.</summary>
internal sealed record WebhookConfiguration : IResource
{
    public static ResourceType MutatingType { get; } =
        new("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", IsNamespaced: false);

    public static ResourceType ValidatingType { get; } =
        new("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", IsNamespaced: false);

    public ObjectMeta Metadata { get; init; } = new();

    public IReadOnlyList<Webhook>? Webhooks { get; init; }
}

internal sealed record Webhook(string Name, WebhookClientConfig? ClientConfig);

/// <param name="CaBundle">PEM in base64.</param>
internal sealed record WebhookClientConfig(string? CaBundle);
