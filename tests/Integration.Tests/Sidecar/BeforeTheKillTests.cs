using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>The main story: a Go service leaks until the kernel kills it, and its profiles are in the store.</summary>
[Collection(nameof(WholeMachine))]
public sealed class BeforeTheKillTests
{
    private const long MiB = 1 << 20;

    [Fact]
    public async Task A_slow_leak_is_captured_whole_before_the_kill()
    {
        using var ground = new SidecarGround(
            "[{name: oom-ahead, timeToLimit: {within: 20s}}, {name: near-limit, memoryUsage: {threshold: 85%, for: 2s}}]",
            "[{type: Heap}, {type: Goroutine}, {type: Process}, {type: Cpu, duration: 2s}]");
        using var cgroup = MemoryCgroup.Create(256 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var leak = await GoLeak.StartAsync(cgroup.Path, flags: ["-rate", "20"]);

        Assert.Equal(128 + SidecarProcess.SigKill, await leak.Process.WaitForExitAsync());
        // The later trigger may have made a capture of its own.
        var capture = await ground.StoredAsync(record => record.Trigger.Name == "oom-ahead");
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Equal(0, ground.Waiting);

        var record = capture.Record;
        Assert.Equal(CapturePhase.Completed, record.Phase);
        Assert.Equal(CaptureOutcome.OOMKilled, record.Outcome);
        Assert.Equal(leak.Process.Id, record.Target.Pid);
        Assert.Equal("premortem.dev/samples/go-leak", record.Target.Runtime!.MainModule);
        Assert.StartsWith("go1.", record.Target.Runtime.Version);
        Assert.Equal(["Cpu", "Goroutine", "Heap", "MemoryTimeline", "Process", "Report"], record.Artifacts.Select(artifact => artifact.Type).Order());
        Assert.All(record.Artifacts, artifact => Assert.True(artifact.IsComplete, artifact.Error));
        Assert.True(capture.Artifact("Heap").CompletedAt < record.DiedAt);
        Assert.Equal(MemoryCgroup.IsV2 ? "cgroup v2" : "cgroup v1", record.Memory.Source);

        var top = await Pprof.TopAsync(capture.PathOf("heap.pb.gz"));
        Assert.Contains("main.MemoryIntensiveFunc", top.Split('\n').First(line => line.Contains('%', StringComparison.Ordinal) && line.Contains("main.", StringComparison.Ordinal)));
        Assert.Contains("strconv.", await Pprof.TopAsync(capture.PathOf("cpu.pb.gz")));

        var rows = await File.ReadAllLinesAsync(capture.PathOf("memory.csv"));
        Assert.EndsWith(",OOMKilled", rows[^1]);
        Assert.Contains(rows, row => row.Contains($"trigger:{record.Trigger.Name}", StringComparison.Ordinal));
        Assert.Equal("main.MemoryIntensiveFunc", record.Top[0].Name);
        Assert.Contains("main.MemoryIntensiveFunc", await File.ReadAllTextAsync(capture.PathOf("report.html")));
        // Last, when everything else stood there.
        Assert.Equal("manifest.json", new DirectoryInfo(capture.Folder).EnumerateFiles().MaxBy(file => file.LastWriteTimeUtc)!.Name);
    }

    [Theory]
    [InlineData(200, 256)]
    [InlineData(400, 256)]
    [InlineData(200, 128)]
    [InlineData(100, 64)]
    public async Task A_fast_leak_leaves_its_heap_profile(int megabytesASecond, int limitMebibytes)
    {
        using var ground = new SidecarGround("[{name: oom-ahead, timeToLimit: {within: 20s}}, {name: near-limit, memoryUsage: {threshold: 80%}}]");
        using var cgroup = MemoryCgroup.Create(limitMebibytes * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var leak = await GoLeak.StartAsync(cgroup.Path, flags: ["-rate", $"{megabytesASecond}", "-delay", "500ms"]);

        Assert.Equal(128 + SidecarProcess.SigKill, await leak.Process.WaitForExitAsync());
        await sidecar.WaitForAsync(601);
        Assert.Equal(0, await sidecar.StopAsync());
        // Whichever trigger was first; the other may have had a capture of its own.
        var capture = ground.Captures[0].AssertWhole();
        Assert.True(capture.Record.Trigger.Name is "oom-ahead" or "near-limit", capture.Record.Trigger.Name);
        Assert.Equal(CaptureOutcome.OOMKilled, capture.Record.Outcome);
        var heap = capture.Artifact("Heap");
        Assert.True(heap.IsComplete, heap.Error);
        Assert.True(heap.CompletedAt < capture.Record.DiedAt);
        Assert.Contains("main.MemoryIntensiveFunc", await Pprof.TopAsync(capture.PathOf(heap.Key)));
    }
}
