using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>What a pod belongs to in the words of its user: the Deployment, not its ReplicaSet.</summary>
internal sealed record Workload(string ApiVersion, string Kind, string Name, string Uid)
{
    // Whoever deletes the workload deletes its records; nobody has to wait for them.
    public OwnerReference AsOwner => new(ApiVersion, Kind, Name, Uid);

    public ObjectReference In(string @namespace) => new(ApiVersion, Kind, @namespace, Name, Uid);
}
