using Premortem.Runtime;

namespace Premortem.Operator.Resources;

/// <summary>What the operator keeps of a pod: ten thousand of them fit into a small program.</summary>
internal sealed record Pod : IResource
{
    public static ResourceType Type { get; } = new("", "v1", "pods", "Pod");

    public ObjectMeta Metadata { get; init; } = new();

    public PodSpec Spec { get; init; } = new();

    public PodStatus Status { get; init; } = new();
}

internal sealed record PodSpec
{
    public string? NodeName { get; init; }

    public string? RestartPolicy { get; init; }

    public bool? HostPID { get; init; }

    public bool? ShareProcessNamespace { get; init; }

    public IReadOnlyDictionary<string, string>? NodeSelector { get; init; }

    public PodOs? Os { get; init; }

    public IReadOnlyList<PodContainer>? Containers { get; init; }

    public IReadOnlyList<PodContainer>? InitContainers { get; init; }

    /// <summary>Of all containers together (Kubernetes 1.32).</summary>
    public ContainerResources? Resources { get; init; }
}

internal sealed record PodOs(string? Name);

internal sealed record PodContainer(string Name, string? Image = null, string? RestartPolicy = null)
{
    public ContainerResources? Resources { get; init; }
}

internal sealed record ContainerResources(IReadOnlyDictionary<string, string>? Limits);

internal sealed record PodStatus
{
    public string? Phase { get; init; }

    public IReadOnlyList<ContainerStatus>? ContainerStatuses { get; init; }

    public IReadOnlyList<ContainerStatus>? InitContainerStatuses { get; init; }
}

internal sealed record ContainerStatus(string Name, int RestartCount = 0, string? ContainerID = null)
{
    public ContainerState? State { get; init; }

    public ContainerState? LastState { get; init; }
}

internal sealed record ContainerState
{
    public ContainerRunning? Running { get; init; }

    public ContainerTerminated? Terminated { get; init; }
}

internal sealed record ContainerRunning(DateTimeOffset? StartedAt);

internal sealed record ContainerTerminated(int ExitCode, string? Reason, DateTimeOffset? StartedAt, DateTimeOffset? FinishedAt, string? ContainerID);
