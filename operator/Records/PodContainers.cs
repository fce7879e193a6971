using Premortem.Operator.Policies;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Records;

/// <summary>The containers of a pod, as policies and requests name them. Pure.</summary>
internal static class PodContainers
{
    /// <summary>All but the sidecar of this operator.</summary>
    public static IReadOnlyList<string> Of(Pod pod) =>
    [
        .. (pod.Spec.Containers ?? []).Concat(pod.Spec.InitContainers ?? []).Select(container => container.Name)
            .Where(name => name != Contracts.Names.SidecarContainer),
    ];

    public static bool IsInjected(Pod pod) => pod.Metadata.Labels?.GetValueOrDefault(Contracts.Names.InjectedLabel) == "true";

    public static bool HasEnded(Pod pod) => pod.Status.Phase is "Succeeded" or "Failed";

    /// <summary>What the kubelet says of a container, init containers included; null: nothing yet.</summary>
    public static ContainerStatus? StatusOf(Pod pod, string container) =>
        (pod.Status.ContainerStatuses ?? []).Concat(pod.Status.InitContainerStatuses ?? []).FirstOrDefault(status => status.Name == container);

    /// <summary>The policies that watch a container, of those that select its pod. What an invalid one would watch is read from what the user wrote.</summary>
    public static IReadOnlyList<PolicyView> Watching(Pod pod, string container, IReadOnlyList<PolicyView> selecting)
    {
        var isInit = pod.Spec.Containers?.Any(other => other.Name == container) != true;
        return [.. selecting.Where(policy => NamesOf(policy) is { Count: > 0 } names ? names.Contains(container) : !isInit)];
    }

    private static IReadOnlyList<string> NamesOf(PolicyView policy) =>
        policy.Reading.Policy?.Spec.Containers
        ?? [.. (policy.Spec["containers"] as System.Text.Json.Nodes.JsonArray ?? []).Select(name => $"{name}")];
}
