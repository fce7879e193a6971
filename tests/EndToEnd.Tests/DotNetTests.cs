using Premortem.Contracts;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>Story 2: the same for a .NET service, whose heap meets the collector's limit before the container's.</summary>
public sealed class DotNetTests(Ground ground) : Story(ground)
{
    private const int SigAbort = 6;

    [Fact]
    public async Task A_managed_leak_that_ends_out_of_memory_has_left_its_heap_in_the_bucket()
    {
        var shop = await OpenShopAsync("managed");
        await shop.ApplyPolicyAsync("orders", Policies.BeforeTheKill);
        await shop.ApplyAsync(shop.Deployment("orders", "dotnet-leak", "-rate 20 -delay 8s -spin=false", limit: "320Mi", pod: Policies.DotNetUser));

        var ended = await shop.Watch.UntilPodAsync("orders", pod => pod.LastEnd("app") is not null, "the container ends", TimeSpan.FromSeconds(150));
        var end = ended.LastEnd("app")!;
        // No kill of the kernel's: the runtime itself gives up.
        Assert.Equal((128 + SigAbort, "Error"), (end.ExitCode, end.Reason));

        var capture = await shop.Watch.UntilCaptureAsync(
            ended.Name, capture => capture.IsStored && capture.Outcome == "Exited" && capture.Artifacts.Contains("Heap") && capture.Top.Any(IsOfOrders), "a capture whose table names the orders", TimeSpan.FromSeconds(120));
        Say($"{capture}; {capture.StartedAt:HH:mm:ss} to {capture.CompletedAt:HH:mm:ss}, ended at {end.FinishedAt:HH:mm:ss}");
        var stored = await shop.StoredAsync(capture);
        Assert.True(stored.Record.Memory.CeilingBytes < stored.Record.Memory.LimitBytes, "the collector's limit is the lower one");
        Assert.Equal(("DotNet", "dotnet-leak"), (stored.Record.Target.Runtime?.Kind.ToString(), stored.Record.Target.Runtime?.MainModule));
        await shop.AssertFetchedAsync(capture);
        Shop.AssertSidecarNeverEnded(Assert.Single(await shop.Watch.PodsAsync("orders")));
    }

    [Fact]
    public async Task A_native_leak_that_is_OOM_killed_is_said_to_be_none_of_the_heaps()
    {
        var shop = await OpenShopAsync("native");
        await shop.ApplyPolicyAsync("orders", Policies.BeforeTheKill);
        await shop.ApplyAsync(shop.Deployment("orders", "dotnet-leak", "-kind native -rate 20 -delay 8s -spin=false", pod: Policies.DotNetUser));

        var killed = await shop.Watch.UntilOomKilledAsync("orders", timeout: TimeSpan.FromSeconds(150));
        Assert.Equal(137, killed.LastEnd("app")!.ExitCode);
        var capture = await shop.Watch.UntilCaptureAsync(killed.Name, capture => capture.IsStored && capture.Outcome == "OOMKilled" && capture.Top.Count > 0, "a capture of what was OOM-killed");
        Assert.Equal(Names.OutsideHeap, capture.Top[0]);
        var stored = await shop.StoredAsync(capture);
        Assert.True(stored.Record.StartedAt < killed.LastEnd("app")!.FinishedAt!.Value.AddSeconds(1));
        Assert.Equal(256L << 20, stored.Record.Memory.LimitBytes);
        await shop.AssertFetchedAsync(capture);
        Shop.AssertSidecarNeverEnded(Assert.Single(await shop.Watch.PodsAsync("orders")));
    }

    private static bool IsOfOrders(string type) => type.StartsWith("Shop.Orders.", StringComparison.Ordinal);
}
