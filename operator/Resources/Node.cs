using Premortem.Runtime;

namespace Premortem.Operator.Resources;

internal sealed record Node : IResource
{
    public static ResourceType Type { get; } = new("", "v1", "nodes", "Node", IsNamespaced: false);

    public ObjectMeta Metadata { get; init; } = new();

    public NodeStatus Status { get; init; } = new();
}

internal sealed record NodeStatus
{
    public NodeInfo? NodeInfo { get; init; }
}

internal sealed record NodeInfo(string? KubeletVersion, string? OperatingSystem);
