using System.Text.Json.Nodes;
using Premortem.Contracts;

namespace Premortem.Operator.Injection;

/// <summary>A pod as the injector sees it.</summary>
internal sealed class PodView
{
    public PodView(JsonObject pod)
    {
        Root = new PodFields(pod, "");
        Metadata = Root.Child("metadata") ?? new PodFields([], "metadata");
        Spec = Root.Child("spec") ?? throw new MalformedPodException("spec", "is required");
        Labels = Metadata.Map("labels");
        Annotations = Metadata.Map("annotations");
    }

    public PodFields Root { get; }

    public PodFields Metadata { get; }

    public PodFields Spec { get; }

    public IReadOnlyDictionary<string, string> Labels { get; }

    public IReadOnlyDictionary<string, string> Annotations { get; }

    public IReadOnlyList<ContainerView> Containers => field ??= Read("containers", isInit: false);

    public IReadOnlyList<ContainerView> InitContainers => field ??= Read("initContainers", isInit: true);

    /// <summary>Those that the sidecar could watch: the pod's own, and native sidecars of others.</summary>
    public IEnumerable<ContainerView> LongLived => Containers.Concat(InitContainers.Where(container => container.IsNativeSidecar)).Where(container => container.Name != Names.SidecarContainer);

    /// <summary>The sidecar's container, or one of the user's that has its name.</summary>
    public ContainerView? SidecarContainer => Containers.Concat(InitContainers).FirstOrDefault(container => container.Name == Names.SidecarContainer);

    /// <summary>The limit of all containers together, which newer servers have; null: none.</summary>
    public long? MemoryLimitBytes => ContainerView.ReadMemoryLimit(Spec);

    private ContainerView[] Read(string field, bool isInit) =>
        [.. Spec.Children(field).Select((container, i) => new ContainerView(container, $"/spec/{field}/{i}", isInit))];
}
