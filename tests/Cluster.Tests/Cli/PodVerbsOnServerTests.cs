using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Premortem.Cluster.Tests.Crds;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Cli;

/// <summary>The native program's verbs on pods, asking a real API server through kubectl.</summary>
public sealed class PodVerbsOnServerTests(CrdTests.Ground ground) : IClassFixture<CrdTests.Ground>
{
    [Fact]
    public async Task A_capture_is_asked_for_followed_and_its_end_printed()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await PodAsync(ns, "a", isInjected: true);
        var capturing = RunAsync("capture", "a", "-n", ns.Name, "-c", "app", "--type", "Heap,Cpu", "--duration", "5s");
        var request = await Eventually.Holds(
            async () => (JsonNode.Parse((await ground.Server.KubectlAsync("get", "pcap", "-n", ns.Name, "-o", "json")).AssertOk().Output)!["items"]!.AsArray()),
            items => items.Count == 1,
            "the request");
        var name = (string)request[0]!["metadata"]!["name"]!;
        Assert.StartsWith("a-now-", name, StringComparison.Ordinal);
        Assert.Equal("Cpu", (string?)request[0]!["spec"]!["captures"]![1]!["type"]);
        var status = new JsonObject
        {
            ["phase"] = "Completed",
            ["location"] = "s3://profiles/prod/x/",
            ["top"] = new JsonArray(new JsonObject { ["name"] = "main.grow", ["flatBytes"] = 1 << 20, ["flatPercent"] = "97.5" }),
        };
        await ground.Server.Client.CustomObjects.PatchNamespacedCustomObjectStatusAsync(
            new V1Patch(new JsonObject { ["status"] = status }.ToJsonString(), V1Patch.PatchType.MergePatch), "premortem.dev", "v1alpha1", ns.Name, "profilecaptures", name);

        var done = (await capturing).AssertOk();

        Assert.Equal([$"profilecapture.premortem.dev/{name}", "s3://profiles/prod/x/", "      flat  flat%  name", "     1 MiB  97.5%  main.grow"], done.Lines);
    }

    [Fact]
    public async Task Why_a_pod_has_no_sidecar_is_told_by_the_clusters_own_policies()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await PodAsync(ns, "a", isInjected: false);

        Assert.Contains("not injected: NoPolicy: ", (await RunAsync("explain", "a", "-n", ns.Name)).AssertOk().Output, StringComparison.Ordinal);
        await ground.Server.ApplyAsync(
            """
            apiVersion: premortem.dev/v1alpha1
            kind: ProfilePolicy
            metadata: {name: checkout}
            spec:
              selector: {matchExpressions: [{key: app, operator: In, values: [checkout]}]}
              triggers: [{name: near-limit, memoryUsage: {threshold: 85%} }]
              storage: {directory: {path: /var/lib/premortem} }
            """,
            ns.Name);
        var explained = (await RunAsync("explain", "a", "-n", ns.Name)).AssertOk().Output;
        Assert.Contains("not injected: NotSeen: ", explained, StringComparison.Ordinal);
        Assert.Contains($"policies: {ns.Name}/checkout", explained, StringComparison.Ordinal);
        Assert.Contains("has no sidecar: NotSeen: ", (await RunAsync("capture", "a", "-n", ns.Name)).Errors, StringComparison.Ordinal);
        (await ground.Server.KubectlAsync("label", "namespace", ns.Name, "premortem.dev/inject=false")).AssertOk();
        Assert.Contains("not injected: ExcludedNamespace: ", (await RunAsync("explain", "a", "-n", ns.Name)).AssertOk().Output, StringComparison.Ordinal);
    }

    private Task<PremortemRun> RunAsync(params string[] arguments) =>
        PremortemProgram.RunAsync(new Dictionary<string, string?>(), [.. arguments, "--kubectl", KubeAssets.Kubectl, "--kubeconfig", ground.Server.AdminKubeconfig]);

    private async Task PodAsync(KubeNamespace ns, string name, bool isInjected)
    {
        await ground.Server.Client.CoreV1.CreateNamespacedServiceAccountAsync(new V1ServiceAccount { Metadata = new V1ObjectMeta { Name = "app" } }, ns.Name);
        string[] containers = isInjected ? ["app", Names.SidecarContainer] : ["app"];
        await ground.Server.Client.CoreV1.CreateNamespacedPodAsync(
            new V1Pod
            {
                Metadata = new V1ObjectMeta
                {
                    Name = name,
                    Labels = new Dictionary<string, string> { ["app"] = "checkout", [isInjected ? Names.InjectedLabel : "not-injected"] = "true" },
                },
                Spec = new V1PodSpec { ServiceAccountName = "app", Containers = [.. containers.Select(container => new V1Container { Name = container, Image = "registry.invalid/x:1" })] },
            },
            ns.Name);
    }
}
