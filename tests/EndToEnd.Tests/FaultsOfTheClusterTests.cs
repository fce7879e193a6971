using Premortem.Contracts;
using Premortem.Testing;
using Xunit;
using static Premortem.EndToEnd.Tests.FaultsGround;

namespace Premortem.EndToEnd.Tests;

/// <summary>What fails for everybody at once: these have the cluster for themselves.</summary>
[Collection(Alone.Name)]
public sealed class FaultsOfTheClusterTests(Ground all) : FaultStory(all)
{
    private const string Large = "[{name: large, memoryUsage: {threshold: 50Mi}}]";

    [Fact]
    public async Task A_kill_while_no_operator_runs_has_its_record_when_one_is_back_and_pods_start_meanwhile()
    {
        await using var ground = await OpenAsync("no-operator");
        await ground.ApplyPolicyAsync("[{name: near, memoryUsage: {threshold: 70%}}]");
        // It leaks when nobody is there any more, once in its life.
        await ground.ApplyDeploymentAsync("app", ground.GoPod($"-spin=false, -rate, \"30\", -at, \"{Seconds(TimeProvider.System.GetUtcNow().AddSeconds(40))}\"", "96Mi"));
        var pod = NameOf(await ground.WatchedPodAsync("app"));
        var replicas = (await Release.PodsAsync()).Count;
        try
        {
            await Release.ScaleAsync(0);
            var gone = TimeProvider.System.GetUtcNow();
            await ground.ApplyDeploymentAsync("meanwhile", ground.GoPod("-spin=false, -mode, hold, -size, \"20\""));
            Assert.False(HasSidecar(await ground.RunningPodAsync("meanwhile")));
            var killed = await Eventually.Holds(
                async () => StatusOf(await ground.GetAsync("pod", pod), "app")?["lastState"]?["terminated"], ended => Text(ended?["reason"]) == "OOMKilled", "the kernel kills it", Patience);
            Assert.True(DateTimeOffset.Parse(Text(killed!["finishedAt"])!, null) >= gone.AddSeconds(-1), "it died while an operator was there");
            // The bucket needs no operator.
            var folder = Assert.Single(await Eventually.Holds(ground.WholeFoldersAsync, folders => folders.Count > 0, "a whole capture in the bucket", Patience));
            Assert.Equal(CaptureOutcome.OOMKilled, (await ground.AssertWholeAsync(folder)).Outcome);
            Assert.Empty(await ground.CapturesAsync());
        }
        finally
        {
            await Release.ScaleAsync(replicas);
        }
        var capture = await ground.StoredCaptureOfAsync(pod, timeout: TimeSpan.FromSeconds(150));
        Assert.Equal("OOMKilled", Text(capture["status"]!["outcome"]));
        Assert.Contains("MemoryIntensiveFunc", capture["status"]!["top"]!.ToJsonString(), StringComparison.Ordinal);
        var after = await ground.GetAsync("pod", pod);
        Assert.Equal(0, RestartsOf(after, Names.SidecarContainer));
        Assert.Equal(1, RestartsOf(after, "app"));
    }

    [Fact]
    public async Task An_upgrade_of_the_operator_loses_no_capture_that_is_under_way()
    {
        await using var ground = await OpenAsync("upgrade");
        await ground.ApplyPolicyAsync(Large, "[{type: Heap}, {type: Process}, {type: Cpu, duration: 5s}]");
        await ground.ApplyDeploymentAsync("app", ground.GoPod("-spin=false, -rate, \"40\", -size, \"60\", -delay, 4s"), replicas: 3);
        await ground.RunningPodAsync("app");
        await Release.InstallAsync($"podAnnotations.upgraded=at-{Seconds(TimeProvider.System.GetUtcNow())}");
        await Eventually.Holds(() => ground.PodsAsync("app"), pods => pods.Count == 3 && pods.All(HasSidecar), "three pods with a sidecar", Patience);
        foreach (var pod in await ground.PodsAsync("app"))
        {
            var capture = await ground.StoredCaptureOfAsync(NameOf(pod));
            Assert.Equal("Completed", Text(capture["status"]!["phase"]));
            await ground.AssertWholeAsync(capture);
        }
        foreach (var pod in await ground.PodsAsync("app"))
            Assert.Equal(0, RestartsOf(pod, "app") + RestartsOf(pod, Names.SidecarContainer));
    }

    [Theory]
    [InlineData("containerd")]
    [InlineData("kubelet")]
    public async Task A_program_of_the_node_that_is_started_again_disturbs_no_capture(string program)
    {
        Cluster.NeedOwnNode();
        await using var ground = await OpenAsync(program);
        await ground.ApplyPolicyAsync(Large, "[{type: Heap}, {type: Process}, {type: Cpu, duration: 8s}]");
        await ground.ApplyDeploymentAsync("app", ground.GoPod("-spin=false, -mode, hold, -size, \"60\""));
        var pod = NameOf(await ground.RunningPodAsync("app"));
        await ground.CaptureAsync("a capture under way", capture => IsOf(capture, pod) && Text(capture["status"]?["phase"]) == "Capturing");
        (await Cluster.NodeAsync("restart", program)).AssertOk();

        var capture = await ground.StoredCaptureOfAsync(pod);
        Assert.Equal("Completed", Text(capture["status"]!["phase"]));
        await ground.AssertWholeAsync(capture);
        var after = await ground.GetAsync("pod", pod);
        Assert.Equal(0, RestartsOf(after, "app") + RestartsOf(after, Names.SidecarContainer));
        // And the node goes on: what comes next is injected and captured as before.
        await ground.ApplyDeploymentAsync("next", ground.GoPod("-spin=false, -mode, hold, -size, \"60\""));
        await ground.StoredCaptureOfAsync(NameOf(await ground.RunningPodAsync("next")));
    }
}
