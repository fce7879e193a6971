using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>A ReplicaSet or a Job, of which only the owner matters.</summary>
internal sealed record OwnedResource : IResource
{
    public static ResourceType ReplicaSet { get; } = new("apps", "v1", "replicasets", "ReplicaSet");

    public static ResourceType Job { get; } = new("batch", "v1", "jobs", "Job");

    public ObjectMeta Metadata { get; init; } = new();
}
