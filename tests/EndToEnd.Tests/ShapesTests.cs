using Premortem.Testing;
using Xunit;
using static Premortem.EndToEnd.Tests.FaultsGround;

namespace Premortem.EndToEnd.Tests;

/// <summary>Every shape that a pod comes in.</summary>
public sealed class ShapesTests(Ground all) : FaultStory(all)
{
    private const string Large = "[{name: large, memoryUsage: {threshold: 60Mi}}]";
    private const string Leak = "-spin=false, -rate, \"40\", -size, \"80\", -delay, 5s";

    [Fact]
    public async Task A_Go_and_a_NET_container_of_one_pod_are_each_captured()
    {
        await using var ground = await OpenAsync("both");
        await ground.ApplyPolicyAsync(Large);
        await ground.ApplyDeploymentAsync("both", Pod(
        [
            Container("go", ground.Shop.Image("go-leak"), Leak, "256Mi"),
            Container("dotnet", ground.Shop.Image("dotnet-leak"), "-spin, \"false\", -size, \"60\", -rate, \"20\", -delay, 5s", "256Mi", "env: [{name: DOTNET_gcServer, value: \"0\"}],"),
        ]));
        var pod = NameOf(await ground.RunningPodAsync("both"));
        var go = await ground.StoredCaptureOfAsync(pod, "go");
        var dotnet = await ground.StoredCaptureOfAsync(pod, "dotnet");
        Assert.Contains("MemoryIntensiveFunc", go["status"]!["top"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Contains("Shop.Orders", dotnet["status"]!["top"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal("go", (await ground.AssertWholeAsync(go)).Target.Container);
        Assert.Equal("dotnet", (await ground.AssertWholeAsync(dotnet)).Target.Container);
        await IsUndisturbedAsync(ground, pod, "go", "dotnet");
    }

    [Fact]
    public async Task A_StatefulSet_and_a_DaemonSet_own_their_records_and_a_Job_ends_with_its_sidecar()
    {
        await using var ground = await OpenAsync("workloads");
        await ground.ApplyPolicyAsync(Large);
        await ground.ApplyWorkloadAsync("StatefulSet", "state", ground.GoPod(Leak), "serviceName: state");
        await ground.ApplyWorkloadAsync("DaemonSet", "daemon", ground.GoPod(Leak));
        await ground.ApplyWorkloadAsync("Job", "work", ground.GoPod(Leak + ", -end, 3s", more: "restartPolicy: Never,"), "backoffLimit: 0");
        foreach (var (kind, name) in new[] { ("StatefulSet", "state"), ("DaemonSet", "daemon") })
        {
            var pod = NameOf(await ground.RunningPodAsync(name));
            var capture = await ground.StoredCaptureOfAsync(pod);
            Assert.Equal(kind, Text(capture["metadata"]!["ownerReferences"]![0]!["kind"]));
            Assert.Equal(name, Text(capture["metadata"]!["ownerReferences"]![0]!["name"]));
            Assert.StartsWith($"{ground.Namespace}/{name}/{pod}/app/", (await ground.AssertWholeAsync(capture)).Folder, StringComparison.Ordinal);
            await IsUndisturbedAsync(ground, pod, "app");
        }

        await Eventually.Holds(
            async () => (await ground.GetAsync("job", "work"))["status"]!,
            status => (int?)status["succeeded"] == 1,
            "the Job completes, though a sidecar stands beside its container",
            FaultsGround.Patience);
        var ended = Assert.Single(await ground.PodsAsync("work"));
        Assert.True(HasSidecar(ended));
        Assert.Equal("Succeeded", Text(ended["status"]!["phase"]));
        var last = await ground.StoredCaptureOfAsync(NameOf(ended));
        Assert.Equal("Exited", Text(last["status"]!["outcome"]));
        await ground.AssertWholeAsync(last);
    }
}
