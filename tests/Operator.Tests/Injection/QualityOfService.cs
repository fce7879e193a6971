using System.Text.Json.Nodes;
using Premortem.Contracts;

namespace Premortem.Operator.Tests.Injection;

/// <summary>A pod's class as the API server works it out: by sums over all containers, with requests that default to limits.</summary>
internal static class QualityOfService
{
    public static string Of(JsonObject pod)
    {
        if (pod["spec"]!["resources"] is JsonObject whole)
            return Of([whole]);
        return Of([.. ((string[])["containers", "initContainers"]).SelectMany(list => pod["spec"]![list]?.AsArray() ?? []).Select(container => container!["resources"] as JsonObject ?? [])]);
    }

    private static string Of(JsonObject[] containers)
    {
        var requests = new Dictionary<string, decimal>();
        var limits = new Dictionary<string, decimal>();
        var areLimited = true;
        foreach (var container in containers)
            foreach (var resource in (string[])["cpu", "memory"])
            {
                var limit = Amount(container["limits"]?[resource]);
                var request = Amount(container["requests"]?[resource] ?? container["limits"]?[resource]);
                areLimited &= limit > 0;
                limits[resource] = limits.GetValueOrDefault(resource) + limit;
                requests[resource] = requests.GetValueOrDefault(resource) + request;
            }
        if (requests.Values.Concat(limits.Values).All(amount => amount == 0))
            return "BestEffort";
        return areLimited && requests.All(request => limits[request.Key] == request.Value) ? "Guaranteed" : "Burstable";
    }

    private static decimal Amount(JsonNode? node) =>
        node is null ? 0 : Quantity.TryParseExact(node.GetValueKind() == System.Text.Json.JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString(), out var amount) ? amount : throw new FormatException(node.ToJsonString());
}
