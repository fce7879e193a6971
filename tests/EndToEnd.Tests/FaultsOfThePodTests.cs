using System.Diagnostics;
using System.Globalization;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;
using static Premortem.EndToEnd.Tests.FaultsGround;

namespace Premortem.EndToEnd.Tests;

/// <summary>A sidecar, or its whole pod, that ends in the middle of a capture.</summary>
public sealed class FaultsOfThePodTests(Ground all) : FaultStory(all)
{
    private const string Large = "[{name: large, memoryUsage: {threshold: 50Mi}}]";

    [Fact]
    public async Task A_sidecar_that_is_killed_in_the_middle_of_an_upload_goes_on_with_it()
    {
        Cluster.NeedOwnNode();
        await using var ground = await OpenAsync("killed");
        // Slow enough that no upload ends by itself.
        ground.Proxy.Slow(400);
        await ground.ApplyPolicyAsync(Large);
        await ground.ApplyDeploymentAsync("app", ground.GoPod("-spin=false, -mode, hold, -size, \"60\""));
        var pod = NameOf(await ground.RunningPodAsync("app"));
        await Eventually.IsTrue(() => ground.Proxy.Heads.Any(head => head.StartsWith("PUT ", StringComparison.Ordinal) && head.Contains("heap", StringComparison.Ordinal)), "an upload has begun", Patience);
        KillSidecarOf(pod);
        ground.Proxy.Slow(long.MaxValue);

        var capture = await ground.StoredCaptureOfAsync(pod);
        var record = await ground.AssertWholeAsync(capture);
        Assert.Contains(record.Artifacts, artifact => artifact is { Type: "Heap", IsComplete: true });
        // What the next life stores may be told before the kubelet tells of that life.
        var after = Assert.Single(await Eventually.Holds(
            () => ground.PodsAsync("app"), pods => pods.Any(now => RestartsOf(now, Names.SidecarContainer) > 0), "the kubelet tells of the sidecar's restart", Patience));
        Assert.Equal(1, RestartsOf(after, Names.SidecarContainer));
        Assert.Equal(0, RestartsOf(after, "app"));
    }

    [Fact]
    public async Task A_pod_that_is_deleted_in_the_middle_of_a_capture_leaves_what_was_captured_and_ends_in_time()
    {
        await using var ground = await OpenAsync("deleted");
        await ground.ApplyPolicyAsync(Large, "[{type: Heap}, {type: Process}, {type: Cpu, duration: 60s}]");
        await ground.ApplyDeploymentAsync("app", ground.GoPod("-spin=false, -mode, hold, -size, \"60\"", more: "terminationGracePeriodSeconds: 20,"));
        var pod = NameOf(await ground.RunningPodAsync("app"));
        await ground.CaptureAsync("a capture under way", capture => IsOf(capture, pod) && Text(capture["status"]?["phase"]) == "Capturing");
        var began = TimeProvider.System.GetTimestamp();
        // The pods that come after it are none of ours.
        await ground.MustAsync("scale", "deployment/app", "--replicas=0");
        var ended = await ground.PodEndedAsync(pod);
        var took = TimeProvider.System.GetElapsedTime(began);
        Assert.True(ended is null || ended < TimeSpan.FromSeconds(15), $"the pod's last container ended after {ended}, of a grace period of 20 s");
        // A kubelet of 1.20 may take half a minute to tell of it.
        Assert.True(took < TimeSpan.FromSeconds(60), $"the pod took {took.TotalSeconds:0} s to end, of a grace period of 20 s");

        var record = await ground.AssertWholeAsync(Assert.Single(await ground.WholeFoldersAsync()));
        Assert.Contains(record.Artifacts, artifact => artifact is { Type: "Heap", IsComplete: true });
        var capture = await ground.CaptureAsync("its record has come to an end", capture => IsOf(capture, pod) && Text(capture["status"]?["phase"]) is "Partial" or "Completed");
        Assert.True(IsStored(capture), capture.ToJsonString());
    }

    /// <summary>As the OOM killer does it: on our own node, whose processes are this machine's.</summary>
    private static void KillSidecarOf(string pod)
    {
        foreach (var process in Process.GetProcessesByName("premortem-sidecar"))
            using (process)
                if (IsSidecarOf(process.Id, pod))
                {
                    process.Kill();
                    return;
                }
        Assert.Fail($"no process of this machine is the sidecar of {pod}");
    }

    private static bool IsSidecarOf(int pid, string pod)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/environ")).Split('\0').Contains($"{Names.PodVariable}={pod}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
