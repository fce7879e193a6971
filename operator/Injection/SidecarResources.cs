using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Policies;

namespace Premortem.Operator.Injection;

/// <summary>
/// What the sidecar asks of the node: the policy's word, else the operator's, else little. The pod keeps its quality of service, and
/// where every container of it names a request or a limit, so does the sidecar: a ResourceQuota refuses a pod, and a
/// HorizontalPodAutoscaler stops, where one is missing.
/// </summary>
internal static class SidecarResources
{
    private const string Disk = "ephemeral-storage";
    private const string LeastDisk = "16Mi";
    private static readonly string[] Computed = ["cpu", "memory"];
    private static readonly Dictionary<string, string> LeastRequest = new() { ["cpu"] = "10m", ["memory"] = "32Mi" };
    private static readonly Dictionary<string, string> LeastLimit = new() { ["cpu"] = "500m", ["memory"] = "96Mi" };
    private static readonly Dictionary<string, string> Guarantee = new() { ["cpu"] = "50m", ["memory"] = "96Mi" };

    /// <param name="policy">The first that says something of resources; null: none does.</param>
    /// <param name="diskBytes">What the sidecar's volumes may come to hold.</param>
    /// <returns>Null: nothing.</returns>
    public static JsonObject? For(PodView pod, PolicyView? policy, InjectorOptions options, long diskBytes, List<string> warnings)
    {
        if (HasAny(pod.Spec.Child("resources")))
        {
            // The containers' requests may not come to more than the pod's, and how much of that is left is the user's to say.
            if (policy is not null)
                warnings.Add($"the sidecar shares spec.resources of the pod: sidecar.resources of {policy.FullName} does not count");
            return null;
        }
        var containers = pod.Containers.Concat(pod.InitContainers).Select(container => container.Fields.Child("resources")).ToArray();
        var resources = (policy?.Sidecar.Resources ?? options.DefaultResources)?.DeepClone().AsObject()
            ?? new JsonObject { ["requests"] = new JsonObject { ["cpu"] = "10m", ["memory"] = "32Mi" }, ["limits"] = new JsonObject { ["memory"] = "96Mi" } };
        var requests = Take(resources, "requests");
        var limits = Take(resources, "limits");
        if (!containers.Any(HasAny))
        {
            // BestEffort, as long as nobody insists.
            if (policy is null)
                return null;
            warnings.Add($"the pod has no requests and no limits, and sidecar.resources of {policy.FullName} makes it Burstable");
        }
        else if (containers.All(IsGuaranteed))
        {
            foreach (var resource in Computed)
            {
                // A request is met where the node has room; as a limit it would be all there is.
                limits[resource] ??= Amount(requests[resource]) > Amount((JsonNode)Guarantee[resource]) ? requests[resource]!.DeepClone() : Guarantee[resource];
                requests[resource] = limits[resource]!.DeepClone();
            }
        }
        else
        {
            foreach (var resource in Computed)
            {
                if (requests[resource] is null && limits[resource] is null && containers.All(of => Amount(of, "requests", resource) is not null))
                    requests[resource] = LeastRequest[resource];
                if (limits[resource] is null && containers.All(of => Amount(of, "limits", resource) is not null))
                    limits[resource] = Amount(requests[resource]) > Amount(LeastLimit[resource]) ? requests[resource]!.DeepClone() : LeastLimit[resource];
            }
        }
        if (containers.Any(of => Amount(of, "limits", Disk) is not null) && limits[Disk] is null)
        {
            // The kubelet evicts a pod that holds more on its disk than the sum of such limits. Volumes count, and the sidecar brings its own.
            limits[Disk] = Quantity.Format(diskBytes);
            requests[Disk] ??= LeastDisk;
        }
        if (requests[Disk] is null && containers.All(of => Amount(of, "requests", Disk) is not null))
            requests[Disk] = LeastDisk;
        Put(resources, "requests", requests);
        Put(resources, "limits", limits);
        return resources;
    }

    /// <summary>Whether it counts towards the quality of service at all.</summary>
    private static bool HasAny(PodFields? resources) =>
        Computed.Any(resource => Amount(resources, "requests", resource) > 0 || Amount(resources, "limits", resource) > 0);

    private static bool IsGuaranteed(PodFields? resources) =>
        Computed.All(resource => Amount(resources, "limits", resource) is > 0 and var limit && Amount(resources, "requests", resource) == limit);

    /// <summary>A request that is not there is the limit: so the server fills it in.</summary>
    private static decimal? Amount(PodFields? resources, string kind, string resource) =>
        Amount(resources?.Child(kind)?.Quantity(resource)) ?? (kind == "requests" ? Amount(resources?.Child("limits")?.Quantity(resource)) : null);

    private static decimal? Amount(JsonNode? node) =>
        node is null ? null : Amount(node.GetValueKind() == System.Text.Json.JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString());

    private static decimal? Amount(string? text) => text is not null && Quantity.TryParseExact(text, out var amount) ? amount : null;

    private static JsonObject Take(JsonObject resources, string kind)
    {
        var taken = resources[kind] as JsonObject ?? [];
        resources.Remove(kind);
        return taken;
    }

    private static void Put(JsonObject resources, string kind, JsonObject amounts)
    {
        if (amounts.Count > 0)
            resources[kind] = amounts;
    }
}
