using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>Story 3: a slow leak is told from what only looks like one.</summary>
public sealed class SlowLeakTests(Ground ground) : Story(ground)
{
    private const string Policy = """
        triggers:
          - {name: leak, risingFloor: {window: 2m, growth: 10%}}
          - {name: near-limit, memoryUsage: {threshold: 85%, for: 1s}}
        captures: [{type: Heap}]
        limits: {cooldown: 10m}
        """;

    [Fact]
    public async Task Only_the_service_whose_floor_rises_is_captured()
    {
        var shop = await OpenShopAsync("slow");
        // Sawtooth: fills 60 MiB and frees them. Cache: writes 300 MiB of files where 256 fit. Churn: makes garbage on a heap that stays as it is.
        // Only that one spins: where no processor is left for Go's scavenger, freed memory is not given back, and what is held does rise.
        var quiet = new Dictionary<string, string>
        {
            ["sawtooth"] = shop.Deployment("sawtooth", "go-leak", "-mode sawtooth -rate 40 -size 60 -spin=false", pod: Policies.GoUser),
            ["cache"] = shop.Deployment(
                "cache",
                "go-leak",
                "-mode pagecache -file /data/cache -size 300 -spin=false",
                pod: Policies.GoUser + "\nvolumes: [{name: data, emptyDir: {}}]",
                container: "volumeMounts: [{name: data, mountPath: /data}]"),
            ["churn"] = shop.Deployment("churn", "go-leak", "-mode hold -size 20", pod: Policies.GoUser),
        };
        foreach (var (app, deployment) in quiet)
        {
            await shop.ApplyPolicyAsync(app, Policy);
            await shop.ApplyAsync(deployment);
        }
        foreach (var app in quiet.Keys)
            Assert.True((await shop.Watch.UntilRunningAsync(app, timeout: TimeSpan.FromSeconds(60))).IsInjected);

        // It comes after them, so that when it has been seen long enough, they have.
        await shop.ApplyPolicyAsync("leak", Policy + "\ngo: {gcTrace: true}");
        await shop.ApplyAsync(shop.Deployment("leak", "go-leak", "-rate 0.8 -spin=false", pod: Policies.GoUser));
        var leaking = await shop.Watch.UntilRunningAsync("leak", timeout: TimeSpan.FromSeconds(60));
        var capture = await shop.Watch.UntilCaptureAsync(leaking.Name, capture => capture.IsStored && capture.Trigger == "leak", "the rising floor fires", TimeSpan.FromSeconds(240));
        Assert.Equal("main.MemoryIntensiveFunc", capture.Top[0]);
        Assert.Equal(0, leaking.Restarts("app"));
        Say(capture.ToString());

        // Each of its collections, from its log by way of the operator.
        var stored = await shop.StoredAsync(capture);
        Assert.True(stored.Artifact("GcTrace").IsComplete, stored.Artifact("GcTrace").Error);
        var collections = (await shop.PremortemAsync("gctrace", stored.PathOf(stored.Artifact("GcTrace").Key))).AssertOk().Output;
        Assert.Contains(" collections in ", collections, StringComparison.Ordinal);
        Assert.Contains("<h2>Garbage collections</h2>", await File.ReadAllTextAsync(stored.PathOf("report.html")), StringComparison.Ordinal);

        // Nothing fired at the others, though they were watched: what is asked for comes.
        foreach (var app in quiet.Keys)
        {
            var pod = Assert.Single(await shop.Watch.PodsAsync(app));
            Assert.Equal(0, pod.Restarts("app"));
            Assert.Empty(await shop.Watch.CapturesAsync(pod.Name));
            await shop.ApplyAsync(
                $$"""
                apiVersion: premortem.dev/v1alpha1
                kind: ProfileCapture
                metadata: {name: {{app}}-now}
                spec:
                  podName: {{pod.Name}}
                  captures: [{type: Heap}, {type: Allocs}, {type: Cpu, duration: 2s}]
                """);
        }
        foreach (var app in quiet.Keys)
        {
            var asked = await shop.Watch.UntilCaptureAsync(pod: null, capture => capture.IsStored && capture.Name == app + "-now", $"the capture of {app} that was asked for");
            Assert.Equal("Completed", asked.Phase);
            Assert.Single(await shop.Watch.CapturesAsync(asked.Pod));
        }

        // Churn: the heap does not show it, the CPU and what was allocated do.
        var churn = await shop.StoredAsync((await shop.Watch.CapturesAsync()).Single(capture => capture.Name == "churn-now"));
        Assert.Contains("main.itoaHotSpot", await GoPprof.TopAsync(churn.PathOf(churn.Artifact("Cpu").Key)), StringComparison.Ordinal);
        Assert.Contains("strconv.", await GoPprof.TopAsync(churn.PathOf(churn.Artifact("Allocs").Key)), StringComparison.Ordinal);
        Assert.InRange(churn.Record.Memory.WorkingSetBytes, 20L << 20, 64L << 20);
    }
}
