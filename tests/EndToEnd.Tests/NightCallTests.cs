using System.Globalization;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>Story 1: a Go service leaks, the kernel kills it, and in the morning its heap profile is in the bucket.</summary>
public sealed class NightCallTests(Ground ground) : Story(ground)
{
    private const string Leak = "main.MemoryIntensiveFunc";

    [Theory]
    [InlineData(20)]
    [InlineData(100)]
    [InlineData(400)]
    public async Task A_Go_service_that_is_OOM_killed_has_left_its_heap_in_the_bucket(int megabytesASecond)
    {
        var shop = await OpenShopAsync("night");
        await shop.ApplyPolicyAsync("checkout", Policies.BeforeTheKill + "\ngo: {gcTrace: true}");
        await shop.ApplyAsync(shop.Deployment(
            "checkout", "go-leak", string.Create(CultureInfo.InvariantCulture, $"-rate {megabytesASecond} -delay 6s -spin=false"), pod: Policies.GoUser));

        // What kubectl shows of the pod.
        var killed = await shop.Watch.UntilOomKilledAsync("checkout", timeout: TimeSpan.FromSeconds(120));
        Assert.True(killed.IsInjected, killed.ToString());
        var end = killed.LastEnd("app")!;
        Assert.Equal(137, end.ExitCode);

        // What kubectl shows of the capture. The kubelet's times have whole seconds.
        var capture = await shop.Watch.UntilCaptureAsync(
            killed.Name,
            capture => capture.IsStored && capture.StartedAt <= end.FinishedAt && capture.Outcome == "OOMKilled" && capture.Top.Count > 0,
            $"a capture from before the OOM kill at {end.FinishedAt:HH:mm:ss}, with its heap");
        Assert.Equal(Leak, capture.Top[0]);
        Say($"{capture}; {capture.StartedAt:HH:mm:ss} to {capture.CompletedAt:HH:mm:ss}, killed at {end.FinishedAt:HH:mm:ss}");

        // What is in the bucket, against its manifest.
        var stored = await shop.StoredAsync(capture);
        Assert.True(stored.Record.StartedAt < end.FinishedAt!.Value.AddSeconds(1), $"began {stored.Record.StartedAt:O}, killed {end.FinishedAt:O}");
        Assert.InRange(stored.Record.Memory.WorkingSetBytes, 64L << 20, 256L << 20);
        Assert.True(stored.Artifact("Heap").IsComplete);
        Assert.Contains(Leak, await GoPprof.TopAsync(stored.PathOf(stored.Artifact("Heap").Key)), StringComparison.Ordinal);

        // Its collections are from the log of a life that is over.
        Assert.True(stored.Artifact("GcTrace").IsComplete, stored.Artifact("GcTrace").Error);

        // What the plugin does with it.
        await shop.AssertFetchedAsync(capture);

        // The next life is watched as the first one was.
        await shop.Watch.UntilPodAsync("checkout", pod => pod.Restarts("app") >= 1, "the container is started again");
        var next = await shop.Watch.UntilCaptureAsync(
            killed.Name,
            capture => capture.IsStored && capture.StartedAt > end.FinishedAt.Value.AddSeconds(1) && capture.Artifacts.Contains("Heap"),
            "a capture of the next life",
            TimeSpan.FromSeconds(120));
        Assert.True((await shop.StoredAsync(next)).Record.Target.Incarnation >= 2);
        Shop.AssertSidecarNeverEnded(Assert.Single(await shop.Watch.PodsAsync("checkout")));
    }
}
