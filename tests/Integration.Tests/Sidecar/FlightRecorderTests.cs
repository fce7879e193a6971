using System.Security.Cryptography;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>There is something to show even if the kill wins, and something to compare every capture with.</summary>
[Collection(nameof(WholeMachine))]
public sealed class FlightRecorderTests
{
    private const long MiB = 1 << 20;
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_kill_that_no_trigger_saw_coming_leaves_a_baseline_that_names_the_leak()
    {
        using var ground = new SidecarGround(Never, flightRecorder: "{every: 1s, keep: 2}");
        using var cgroup = MemoryCgroup.Create(256 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var leak = await GoLeak.StartAsync(cgroup.Path, flags: ["-rate", "12"]);
        Assert.Equal(128 + SidecarProcess.SigKill, await leak.Process.WaitForExitAsync());

        var capture = await ground.StoredAsync();
        var record = capture.Record;
        Assert.Equal(("oom-kill", CaptureOutcome.OOMKilled, CapturePhase.Partial), (record.Trigger.Name, record.Outcome, record.Phase));
        Assert.Equal(("main.MemoryIntensiveFunc", "baseline"), (record.Top[0].Name, record.TopFrom));
        var newest = Assert.Single(record.Artifacts, artifact => artifact.Key == "baseline-heap.pb.gz");
        Assert.True(newest.IsComplete, newest.Error);
        // Before it kills, a kernel that reads the program's code anew again and again may take a minute, at the ceiling, where nothing is recorded.
        var full = sidecar.Log.Last(line => line.EventId == 300).At;
        Assert.InRange(newest.TakenAt!.Value, full.AddSeconds(-20), record.DiedAt!.Value);
        Assert.Contains($"there is a baseline of ", Assert.Single(record.Plan, step => step.Type == Contracts.Policies.CaptureType.Heap).Detail);
        Assert.InRange(record.Artifacts.Count(artifact => artifact.Type == ArtifactKeys.Baseline), 1, 3);
        Assert.Contains("main.MemoryIntensiveFunc", await Pprof.TopAsync(capture.PathOf(newest.Key)));
        Assert.Contains("a baseline that the flight recorder took", await File.ReadAllTextAsync(capture.PathOf(Names.Report)));

        // They have served.
        await Eventually.Holds(() => ground.Baselines.Count, count => count == 0, "no baseline of the dead");
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task Every_capture_carries_the_baselines_and_its_report_shows_what_has_grown()
    {
        using var ground = new SidecarGround(Never, flightRecorder: "{every: 1s, keep: 2}");
        await using var target = await GoLeak.StartAsync(flags: ["-rate", "8", "-size", "1000"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        var first = (await Eventually.Holds(() => ground.Baselines, files => files.Count > 0, "a baseline", s_patience))[0];
        await Eventually.Holds(() => ground.Baselines, files => files.Count == 2 && !files.Contains(first), "two baselines, the first one gone", s_patience);
        var goroutines = Assert.Single(ground.GoroutineBaselines);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(524);
        Assert.Equal(0, await sidecar.StopAsync());

        var capture = await ground.StoredAsync();
        Assert.Equal((CapturePhase.Completed, null), (capture.Record.Phase, capture.Record.TopFrom));
        var baselines = capture.Record.Artifacts.Where(artifact => artifact.Type == ArtifactKeys.Baseline).ToList();
        Assert.Equal(["baseline-heap.pb.gz", "baseline-2-heap.pb.gz", "baseline-goroutine.pb.gz"], baselines.Select(artifact => artifact.Key));
        // It is the one of the beginning still.
        Assert.Contains(baselines[2].Sha256!, goroutines, StringComparison.Ordinal);
        Assert.True(baselines[2].TakenAt < baselines[1].TakenAt);
        Assert.Contains("main.main", await Pprof.TopAsync(capture.PathOf(baselines[2].Key)));
        Assert.True(baselines[0].TakenAt > baselines[1].TakenAt);
        Assert.True(baselines[0].TakenAt < capture.Record.Trigger.At);
        var report = await File.ReadAllTextAsync(capture.PathOf(Names.Report));
        var growth = report[report.IndexOf("Growth since the baseline", StringComparison.Ordinal)..];
        Assert.Contains("main.MemoryIntensiveFunc", growth[..growth.IndexOf("</section>", StringComparison.Ordinal)]);
    }

    [Fact]
    public async Task Baselines_outlive_the_sidecar_and_serve_its_next_life()
    {
        using var ground = new SidecarGround(Never, flightRecorder: "{every: 1s, keep: 1}");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "50"]);
        await using (var killed = SidecarProcess.OnProcess(ground, target.Process.Id))
        {
            await Eventually.Holds(() => ground.Baselines, files => files.Count > 0, "a baseline", s_patience);
            killed.Signal(SidecarProcess.SigKill);
            await killed.ExitAsync();
        }
        var kept = Assert.Single(ground.Baselines);
        var hash = Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(kept)));

        ground.WritePolicy(Never, flightRecorder: "{every: 1h, keep: 1}");
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(524);
        Assert.Equal(0, await sidecar.StopAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal(hash, Assert.Single(capture.Record.Artifacts, artifact => artifact.Key == "baseline-heap.pb.gz").Sha256);
        Assert.Equal([kept], ground.Baselines);
    }

    [Fact]
    public async Task Without_a_flight_recorder_nothing_is_recorded_and_what_was_is_dropped()
    {
        using var ground = new SidecarGround(Never, flightRecorder: "{every: 1s}");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using (var recording = SidecarProcess.OnProcess(ground, target.Process.Id))
        {
            await Eventually.Holds(() => ground.Baselines, files => files.Count > 0, "a baseline", s_patience);
            Assert.Equal(0, await recording.StopAsync());
        }
        ground.WritePolicy(Never);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        Assert.Empty(ground.Baselines);
        Assert.Empty(ground.GoroutineBaselines);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Heap");
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.DoesNotContain((await ground.StoredAsync()).Record.Artifacts, artifact => artifact.Type == ArtifactKeys.Baseline);
    }
}
