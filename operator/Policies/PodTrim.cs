using Premortem.Contracts;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Policies;

/// <summary>What is kept of a pod in memory.</summary>
internal static class PodTrim
{
    private const string OurPrefix = "premortem.dev/";

    /// <summary>The annotations that say that a pod is the kubelet's own.</summary>
    private static readonly string[] s_kubelets = ["kubernetes.io/config.mirror", "kubernetes.io/config.source"];

    /// <summary>With the print of its settings (<see cref="SettingsPrint"/>) in place of them.</summary>
    public static Pod Trim(Pod pod) => pod with
    {
        Metadata = pod.Metadata with
        {
            Annotations = Annotations(pod.Metadata.Annotations),
            Finalizers = null,
            OwnerReferences = pod.Metadata.OwnerReferences is { Count: > 0 } owners ? owners : null,
        },
        Spec = pod.Spec with
        {
            NodeSelector = pod.Spec.NodeSelector?.Where(label => label.Key == "kubernetes.io/os").ToDictionary() is { Count: > 0 } selector ? selector : null,
            Containers = Containers(pod.Spec.Containers),
            InitContainers = Containers(pod.Spec.InitContainers),
        },
    };

    private static Dictionary<string, string>? Annotations(IReadOnlyDictionary<string, string>? annotations)
    {
        Dictionary<string, string>? kept = null;
        foreach (var (key, value) in annotations ?? new Dictionary<string, string>())
            if (key.StartsWith(OurPrefix, StringComparison.Ordinal) || Array.IndexOf(s_kubelets, key) >= 0)
                (kept ??= new(StringComparer.Ordinal))[key] = key == Names.ConfigAnnotation ? SettingsPrint.Of(value) : value;
        return kept;
    }

    private static List<PodContainer>? Containers(IReadOnlyList<PodContainer>? containers) => containers?.Select(container => container with
    {
        Resources = container.Resources?.Limits?.GetValueOrDefault("memory") is { } memory
            ? new ContainerResources(new Dictionary<string, string> { ["memory"] = memory })
            : null,
    }).ToList();
}
