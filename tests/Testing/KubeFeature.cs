namespace Premortem.Testing;

/// <summary>What not every API server that is supported can do, and the version that first has it without a feature gate.</summary>
public sealed record KubeFeature(KubeVersion Since, string What)
{
    public static KubeFeature PolicyV1 { get; } = new(new(1, 21), "policy/v1");

    public static KubeFeature DiscoveryV1 { get; } = new(new(1, 21), "discovery.k8s.io/v1");

    public static KubeFeature NamespaceNameLabel { get; } = new(new(1, 21), "kubernetes.io/metadata.name on every namespace");

    public static KubeFeature PodSecurity { get; } = new(new(1, 23), "Pod Security admission");

    public static KubeFeature Cel { get; } = new(new(1, 25), "CEL rules in a CRD's schema");

    /// <summary>Unknown fields are refused with <c>fieldValidation=Strict</c>.</summary>
    public static KubeFeature FieldValidation { get; } = new(new(1, 25), "server-side field validation");

    public static KubeFeature MatchConditions { get; } = new(new(1, 28), "match conditions of webhooks");

    public static KubeFeature NativeSidecars { get; } = new(new(1, 29), "native sidecars");

    public static KubeFeature SelectableFields { get; } = new(new(1, 31), "selectable fields of a CRD");

    public static KubeFeature Resize { get; } = new(new(1, 33), "the resize subresource of pods");

    public static KubeFeature PodResources { get; } = new(new(1, 34), "resources of a pod as a whole");
}
