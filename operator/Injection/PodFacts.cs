using Premortem.Contracts;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Injection;

/// <summary>What of a pod goes into its sidecar's settings.</summary>
/// <param name="EndsWith">The pod's restart policy, where the sidecar has to end by itself with its targets; null: it need not.</param>
internal sealed record PodFacts(IReadOnlyList<ContainerSettings> Containers, string? EndsWith)
{
    /// <summary>The most that captures may hold on the pod's disk, for which it was given room; null: as the pod's present settings say.</summary>
    public long? SpoolBytes { get; init; }

    /// <summary>Of a pod that is injected already.</summary>
    public static PodFacts Of(Pod pod, IReadOnlyList<PolicyView> policies)
    {
        var containers = pod.Spec.Containers ?? [];
        var longLived = containers.Select(container => (Container: container, IsInit: false))
            .Concat((pod.Spec.InitContainers ?? []).Where(container => container.RestartPolicy == "Always").Select(container => (Container: container, IsInit: true)));
        var wholePod = Limit(pod.Spec.Resources);
        return new PodFacts(
            [.. longLived
                .Where(one => one.Container.Name != Names.SidecarContainer && WatchedContainer.MayBeWatched(one.Container.Name, one.IsInit, policies))
                .Select(one => new ContainerSettings(one.Container.Name, Limit(one.Container.Resources) ?? wholePod))],
            EndsOf(pod.Spec.RestartPolicy, isNative: !containers.Any(container => container.Name == Names.SidecarContainer)));
    }

    /// <summary>Of a pod that is about to be.</summary>
    public static PodFacts Of(PodView pod, IReadOnlyList<PolicyView> policies, bool isNative) => new(
        [.. pod.LongLived
            .Where(container => WatchedContainer.MayBeWatched(container.Name, container.IsInit, policies))
            .Select(container => new ContainerSettings(container.Name, container.MemoryLimitBytes ?? pod.MemoryLimitBytes))],
        EndsOf(pod.Spec.Text("restartPolicy"), isNative));

    /// <summary>A pod that is to end stays for as long as a classic container of it runs. A native one is ended by the kubelet.</summary>
    private static string? EndsOf(string? restartPolicy, bool isNative) => !isNative && restartPolicy is ("OnFailure" or "Never") ? restartPolicy : null;

    private static long? Limit(ContainerResources? resources) =>
        resources?.Limits?.GetValueOrDefault("memory") is { } text && Quantity.TryParse(text, out var bytes) && bytes > 0 ? bytes : null;
}
