using System.Text.Json.Nodes;
using Premortem.Contracts;
using Xunit;
using static Premortem.EndToEnd.Tests.FaultsGround;

namespace Premortem.EndToEnd.Tests;

/// <summary>A store that fails. After each: what was complete is stored, the pod was never kept from running, and nobody but the kernel killed it.</summary>
public sealed class FaultsOfTheStoreTests(Ground all) : FaultStory(all)
{
    private const string Large = "[{name: large, memoryUsage: {threshold: 50Mi}}]";

    [Fact]
    public async Task A_store_that_is_away_gets_the_capture_when_it_is_back()
    {
        await using var ground = await OpenAsync("store-away");
        await ground.ApplyPolicyAsync(Large);
        await ground.Proxy.GoDownAsync();
        await ground.ApplyDeploymentAsync("app", ground.GoPod("-spin=false, -mode, hold, -size, \"60\""));
        var pod = NameOf(await ground.RunningPodAsync("app"));
        await ground.CaptureAsync("a capture that is complete and not stored", capture =>
            IsOf(capture, pod) && Text(capture["status"]?["phase"]) == "Completed" && !IsStored(capture) && Text(Condition(capture, "Stored")?["reason"]) == "NotStored");
        await ground.PolicySaysAsync("StorageReachable", "False", Reasons.StoreUnreachable);

        ground.Proxy.ComeBack();
        Assert.Equal(CapturePhase.Completed, (await ground.AssertWholeAsync(await ground.StoredCaptureOfAsync(pod))).Phase);
        await ground.PolicySaysAsync("StorageReachable", "True", "Reachable");
        await IsUndisturbedAsync(ground, pod, "app");
    }

    [Fact]
    public async Task Credentials_that_were_wrong_and_are_mended_serve_without_a_restart()
    {
        await using var ground = await OpenAsync("credentials");
        await ground.MustAsync("create", "secret", "generic", "mistaken", "--from-literal=accessKeyId=nobody", "--from-literal=secretAccessKey=knows");
        await ground.ApplyPolicyAsync(Large, secret: "mistaken");
        await ground.ApplyDeploymentAsync("app", ground.GoPod("-spin=false, -mode, hold, -size, \"60\""));
        var pod = NameOf(await ground.RunningPodAsync("app"));
        await ground.CaptureAsync("a capture that is complete and not stored", capture =>
            IsOf(capture, pod) && Text(capture["status"]?["phase"]) == "Completed" && !IsStored(capture));
        await ground.PolicySaysAsync("StorageReachable", "False", Reasons.AccessDenied);

        var right = await ground.GetAsync("secret", Shop.Secret);
        await ground.MustAsync("patch", "secret", "mistaken", "--type=merge", "-p", new JsonObject { ["data"] = right["data"]!.DeepClone() }.ToJsonString());
        // The kubelet looks at a pod's volumes once a minute, and whenever the pod changes.
        await ground.MustAsync("annotate", "pod", pod, "looked-at=now");
        await ground.AssertWholeAsync(await ground.StoredCaptureOfAsync(pod, timeout: TimeSpan.FromSeconds(180)));
        await ground.PolicySaysAsync("StorageReachable", "True", "Reachable");
        await IsUndisturbedAsync(ground, pod, "app");
    }

    [Fact]
    public async Task A_store_that_is_full_is_said_so_and_gets_the_capture_when_it_has_room()
    {
        await using var ground = await OpenAsync("full");
        await ground.ApplyPolicyAsync(Large);
        ground.Proxy.AnswerFull(int.MaxValue);
        await ground.ApplyDeploymentAsync("app", ground.GoPod("-spin=false, -mode, hold, -size, \"60\""));
        var pod = NameOf(await ground.RunningPodAsync("app"));
        await ground.CaptureAsync("a capture that is complete and not stored", capture =>
            IsOf(capture, pod) && Text(capture["status"]?["phase"]) == "Completed" && !IsStored(capture));
        await ground.PolicySaysAsync("StorageReachable", "False", Reasons.StoreRefused);

        ground.Proxy.AnswerFull(0);
        await ground.AssertWholeAsync(await ground.StoredCaptureOfAsync(pod));
        await IsUndisturbedAsync(ground, pod, "app");
    }
}
