using Xunit;
using static Premortem.EndToEnd.Tests.FaultsGround;

namespace Premortem.EndToEnd.Tests;

/// <summary>What people change while pods run, and what they ask for.</summary>
public sealed class FollowingTests(Ground all) : FaultStory(all)
{
    private const string Never = "[{name: large, memoryUsage: {threshold: 1Ti}}]";
    private const string Hold = "-spin=false, -mode, hold, -size, \"60\"";

    [Fact]
    public async Task A_lower_threshold_fires_in_a_running_pod_and_once_the_policy_is_gone_new_pods_are_left_alone()
    {
        await using var ground = await OpenAsync("policy");
        await ground.ApplyPolicyAsync(Never);
        await ground.ApplyDeploymentAsync("app", ground.GoPod(Hold));
        var before = await ground.WatchedPodAsync("app");
        Assert.Empty(await ground.CapturesAsync());

        await ground.ApplyPolicyAsync("[{name: large, memoryUsage: {threshold: 50Mi}}]");
        await ground.AssertWholeAsync(await ground.StoredCaptureOfAsync(NameOf(before)));
        var after = Assert.Single(await ground.PodsAsync("app"));
        Assert.Equal(Text(before["metadata"]!["uid"]), Text(after["metadata"]!["uid"]));
        Assert.Equal(0, RestartsOf(after, "app") + RestartsOf(after, Contracts.Names.SidecarContainer));

        await ground.MustAsync("delete", "profilepolicy", Policy);
        await ground.MustAsync("rollout", "restart", "deployment/app");
        await ground.MustAsync("rollout", "status", "deployment/app", "--timeout=90s");
        Assert.All(await ground.PodsAsync("app"), pod => Assert.False(HasSidecar(pod), NameOf(pod)));
    }

    [Fact]
    public async Task A_capture_is_taken_on_demand_and_a_pod_that_opted_out_is_left_alone()
    {
        await using var ground = await OpenAsync("demand");
        await ground.ApplyPolicyAsync(Never);
        await ground.ApplyDeploymentAsync("app", ground.GoPod(Hold));
        await ground.ApplyDeploymentAsync("private", ground.GoPod(Hold), annotations: "{premortem.dev/inject: \"false\"}");
        var pod = NameOf(await ground.WatchedPodAsync("app"));
        var other = await ground.RunningPodAsync("private");
        Assert.False(HasSidecar(other));

        await ground.ApplyAsync(Request("now", pod, "[{type: Heap}, {type: Cpu, duration: 2s}]"));
        await ground.ApplyAsync(Request("not-here", NameOf(other), "[{type: Heap}]"));
        var capture = await ground.CaptureAsync("the capture that was asked for is stored", capture => NameOf(capture) == "now" && IsStored(capture));
        Assert.Equal("Completed", Text(capture["status"]!["phase"]));
        Assert.Equal(["Cpu", "Heap"], (await ground.AssertWholeAsync(capture)).Artifacts.Select(artifact => artifact.Type).Where(type => type is "Cpu" or "Heap").Order());
        var refused = await ground.CaptureAsync("a request to a pod without a sidecar fails", capture => NameOf(capture) == "not-here" && Text(capture["status"]?["phase"]) == "Failed");
        Assert.Equal("PodNotInjected", Text(Condition(refused, "Complete")!["reason"]));
    }

    [Theory]
    [InlineData("go-leak", Hold, "app")]
    [InlineData("dotnet-leak", "-kind, hold, -size, \"60\"", "dotnet")]
    public async Task In_a_restricted_namespace_a_bare_image_is_captured(string image, string arguments, string name)
    {
        // Older servers do not know the label; the others refuse what is not restricted, the sidecar too.
        await using var ground = await OpenAsync("restricted-" + name, new Dictionary<string, string> { ["pod-security.kubernetes.io/enforce"] = "restricted" });
        // What it fills is not what it holds: the heap is captured when it stands still.
        await ground.ApplyPolicyAsync("[{name: large, memoryUsage: {threshold: 50Mi, for: 3s}}]", more: image == "dotnet-leak" ? "runtime: DotNet" : "");
        await ground.ApplyDeploymentAsync("app", Pod([Container(name, ground.Shop.Image(image), arguments, "256Mi")]));
        var pod = NameOf(await ground.RunningPodAsync("app"));
        var capture = await ground.StoredCaptureOfAsync(pod, name);
        Assert.Equal("Completed", Text(capture["status"]!["phase"]));
        Assert.NotEmpty((await ground.AssertWholeAsync(capture)).Top);
        Assert.Equal(0, RestartsOf(Assert.Single(await ground.PodsAsync("app")), name));
    }

    internal static string Request(string name, string pod, string captures) => $$"""
        apiVersion: premortem.dev/v1alpha1
        kind: ProfileCapture
        metadata: {name: {{name}}}
        spec: {podName: {{pod}}, captures: {{captures}} }
        """;
}
