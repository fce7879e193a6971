using System.Text.Json.Nodes;
using k8s.Models;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.OperatorStory;

/// <summary>
/// The whole way round, with the real programs at both ends: kubectl, the API server, the operator, the annotation, the sidecar, a Go program, a store,
/// the report over TLS with a token of the stored pod, and what kubectl then says. Only the kubelet is played: it carries the annotation into a file.
/// </summary>
public sealed class ReportingSidecarTests
{
    [Fact]
    public async Task A_capture_that_a_user_asks_for_is_taken_by_the_sidecar_of_the_stored_pod_and_told_by_kubectl()
    {
        await using var around = new InjectedPod();
        using var app = MemoryCgroup.Create(256L << 20);
        await using var ground = await ReleaseStoryGround.InstallAsync();
        await ground.StartOperatorAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        await ground.Server.ApplyAsync($$$"""
            apiVersion: premortem.dev/v1alpha1
            kind: ProfilePolicy
            metadata: {name: checkout}
            spec:
              selector: {matchLabels: {app: checkout}}
              containers: [app]
              triggers: [{name: never, memoryUsage: {threshold: 1Ti}}]
              captures: [{type: Heap}]
              storage: {directory: {path: {{{around.Store}}}}}
            """, ns.Name);
        if (!ground.HasControllers)
            await ground.Server.TokenAsync(ns.Name, "default");
        await ground.Server.ApplyAsync("""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: checkout}
            spec:
              replicas: 1
              selector: {matchLabels: {app: checkout}}
              template:
                metadata: {labels: {app: checkout}}
                spec:
                  volumes: [{name: store, emptyDir: {}}]
                  containers:
                    - {name: app, image: go-leak:1, resources: {limits: {memory: 256Mi}}, volumeMounts: [{name: store, mountPath: STORE}]}
            """.Replace("STORE", around.Store, StringComparison.Ordinal), ns.Name);
        var pod = await ground.NewInjectedPodOfAsync(ns.Name, "checkout");

        // As the kubelet does it: the token that the stored pod asks for, and its annotation as a file.
        var asked = Assert.Single(pod.Spec.Volumes.SelectMany(volume => volume.Projected?.Sources ?? []), source => source.ServiceAccountToken?.Audience == Names.TokenAudience).ServiceAccountToken;
        await File.WriteAllTextAsync(around.Token, await ground.Server.TokenAsync(ns.Name, pod.Spec.ServiceAccountName, asked.Audience, pod, TimeSpan.FromSeconds(asked.ExpirationSeconds ?? 3600)));
        var sidecarOfPod = Assert.Single(pod.Spec.Containers.Concat(pod.Spec.InitContainers ?? []), container => container.Name == Names.SidecarContainer);
        around.Config.Write(OperatorGround.Settings(pod));
        await using var sidecar = around.Start(
            [("app", app, $"exec {GoLeak.Program} -addr 127.0.0.1:0 -mode hold -size 40")],
            sidecarOfPod.Env.Where(variable => variable.ValueFrom?.FieldRef is not null).ToDictionary(
                variable => variable.Name,
                variable => variable.ValueFrom.FieldRef.FieldPath switch
                {
                    "metadata.namespace" => ns.Name,
                    "metadata.name" => pod.Name(),
                    "metadata.uid" => pod.Uid(),
                    _ => null,
                }));
        await sidecar.WaitForAsync(202);

        // What it says of itself reaches the policy's status.
        await Eventually.Holds(
            async () => (await ground.CustomAsync(ns.Name, "profilepolicies", "checkout"))["status"],
            status => Condition(status, "StorageReachable") == "True" && Condition(status, "SettingsApplied") == "True",
            "a store that is reached, and settings that are followed",
            TimeSpan.FromSeconds(40));

        await ground.Server.ApplyAsync($$$"""
            apiVersion: premortem.dev/v1alpha1
            kind: ProfileCapture
            metadata: {name: now}
            spec: {podName: {{{pod.Name()}}}, container: app, captures: [{type: Heap}, {type: Goroutine}]}
            """, ns.Name);
        var told = await ground.PodAsync(ns.Name, pod.Name(), settings => settings["requests"]?.AsArray().Count == 1, "the request in the annotation");
        around.Config.Write(OperatorGround.Settings(told));

        // It waits for up to a minute to see what becomes of the target, by how fast its memory grew.
        await sidecar.WaitForAsync(601, timeout: TimeSpan.FromSeconds(90));
        var status = (await Eventually.Holds(
            async () => (await ground.CustomAsync(ns.Name, "profilecaptures", "now"))["status"],
            status => (string?)status?["phase"] is "Completed" or "Partial" or "Failed" && status["location"] is not null,
            "the capture in the record",
            TimeSpan.FromSeconds(20)))!;
        Assert.Equal("Completed", (string?)status["phase"]);
        var stored = Assert.Single(around.Captures).AssertWhole();
        Assert.Equal(stored.Record.Id, (string?)status["captureId"]);
        foreach (var type in new[] { "Heap", "Goroutine" })
        {
            var artifact = Assert.Single(status["artifacts"]!.AsArray(), item => (string?)item!["type"] == type)!;
            Assert.Equal((stored.Artifact(type).Sha256, stored.Artifact(type).Bytes), ((string?)artifact["sha256"], (long?)artifact["bytes"]));
        }
        Assert.Equal(stored.Record.Top![0].Name, (string?)status["top"]![0]!["name"]);
        Assert.EndsWith(stored.Record.Folder.TrimEnd('/'), (string?)status["location"], StringComparison.Ordinal);
        Assert.Equal((ns.Name, pod.Name(), "app"), (stored.Record.Target.Namespace, stored.Record.Target.Pod, stored.Record.Target.Container));

        // Who looks finds it where one looks.
        Assert.Contains("main.", (await ground.Server.KubectlAsync("get", "pcap", "now", "-n", ns.Name)).AssertOk().Output, StringComparison.Ordinal);
        await Eventually.Holds(
            async () => (await ground.Server.KubectlAsync("describe", "pod", pod.Name(), "-n", ns.Name)).AssertOk().Output,
            text => text.Contains("CaptureCompleted", StringComparison.Ordinal),
            "an event at the pod",
            TimeSpan.FromSeconds(20));
        // Done is done: the next settings ask no more.
        var after = await ground.PodAsync(ns.Name, pod.Name(), settings => settings["requests"] is null or JsonArray { Count: 0 }, "settings without the request");
        around.Config.Write(OperatorGround.Settings(after));
        Assert.Single(around.Captures);
        Assert.Empty(around.Operator.Requests);
    }

    private static string? Condition(JsonNode? status, string type) =>
        (string?)status?["conditions"]?.AsArray().FirstOrDefault(item => (string?)item!["type"] == type)?["status"];
}
