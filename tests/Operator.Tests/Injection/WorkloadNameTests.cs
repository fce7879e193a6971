using System.Text.Json.Nodes;
using Premortem.Operator.Injection;
using Xunit;

namespace Premortem.Operator.Tests.Injection;

public sealed class WorkloadNameTests
{
    [Theory]
    [InlineData("ReplicaSet", "checkout-6d4b9c7f5", "pod-template-hash: 6d4b9c7f5", "checkout")]
    [InlineData("ReplicaSet", "checkout-6d4b9c7f5", "rollouts-pod-template-hash: 6d4b9c7f5", "checkout")]
    [InlineData("ReplicaSet", "checkout-6d4b9c7f5", "pod-template-hash: other", "checkout-6d4b9c7f5")]
    [InlineData("ReplicaSet", "made-by-hand", null, "made-by-hand")]
    [InlineData("ReplicaSet", "-abc", "pod-template-hash: abc", "-abc")]
    [InlineData("Job", "report-29371680", null, "report")]
    [InlineData("Job", "report-1762300800", null, "report")]
    [InlineData("Job", "migrate-2", null, "migrate-2")]
    [InlineData("Job", "import-20261122-x", null, "import-20261122-x")]
    [InlineData("Job", "-29371680", null, "-29371680")]
    [InlineData("StatefulSet", "db-12345678", null, "db-12345678")]
    [InlineData("DaemonSet", "agent", null, "agent")]
    [InlineData("Task", "of-some-operator", null, "of-some-operator")]
    public void A_pod_belongs_to_what_its_user_made(string kind, string owner, string? label, string expected)
    {
        var labels = new JsonObject();
        if (label?.Split(": ") is [var key, var value])
            labels[key] = value;
        Assert.Equal(expected, Of(new JsonObject
        {
            ["name"] = "pod-x",
            ["labels"] = labels,
            ["ownerReferences"] = new JsonArray(
                new JsonObject { ["kind"] = "ConfigMap", ["name"] = "no-controller" },
                new JsonObject { ["kind"] = kind, ["name"] = owner, ["controller"] = true }),
        }));
    }

    [Theory]
    [InlineData("""{"name": "one-off"}""", "one-off")]
    [InlineData("""{"generateName": "batch-"}""", "batch")]
    [InlineData("""{"name": "", "generateName": "batch--"}""", "batch")]
    [InlineData("{}", "")]
    public void A_pod_of_its_own_has_its_own_name(string metadata, string expected) => Assert.Equal(expected, Of(JsonNode.Parse(metadata)!.AsObject()));

    private static string Of(JsonObject metadata) => WorkloadName.Of(new PodView(new JsonObject { ["metadata"] = metadata, ["spec"] = new JsonObject() }));
}
