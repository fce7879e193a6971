using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Records;

/// <summary>Finds the workload of a pod, and remembers it.</summary>
internal sealed class Workloads(ResourceApi<OwnedResource> replicaSets, ResourceApi<OwnedResource> jobs, TimeProvider time)
{
    private static readonly TimeSpan RememberFor = TimeSpan.FromMinutes(10);

    private readonly BoundedCache<string, Workload> _known = new(10_000, time);

    /// <summary>Null: the pod belongs to nothing that lives longer than itself.</summary>
    public async Task<Workload?> OfAsync(Pod pod, CancellationToken ct)
    {
        if (ControllerOf(pod.Metadata) is not { } controller || controller is { ApiVersion: "v1", Kind: "Node" })
            return null;
        var between = controller.Kind switch
        {
            "ReplicaSet" when controller.ApiVersion.StartsWith("apps/", StringComparison.Ordinal) => replicaSets,
            "Job" when controller.ApiVersion.StartsWith("batch/", StringComparison.Ordinal) => jobs,
            _ => null,
        };
        if (between is null)
            return AsWorkload(controller);
        if (_known.TryGet(controller.Uid, out var known))
            return known;
        var owned = await between.GetAsync(new ResourceKey(pod.Metadata.Namespace, controller.Name), ct);
        // Whose owner is gone would be collected as garbage at once.
        if (owned is null || owned.Metadata.Uid != controller.Uid)
            return null;
        var workload = AsWorkload(ControllerOf(owned.Metadata) ?? controller);
        _known.Set(controller.Uid, workload, RememberFor);
        return workload;
    }

    private static OwnerReference? ControllerOf(ObjectMeta metadata) => metadata.OwnerReferences?.FirstOrDefault(owner => owner.Controller == true);

    private static Workload AsWorkload(OwnerReference owner) => new(owner.ApiVersion, owner.Kind, owner.Name, owner.Uid);
}
