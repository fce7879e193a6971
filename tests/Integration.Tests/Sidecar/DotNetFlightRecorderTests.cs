using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>The flight recorder of .NET programs: what is alive while that is little, what is allocated when it is much.</summary>
[Collection(nameof(WholeMachine))]
public sealed class DotNetFlightRecorderTests
{
    private const long MiB = 1 << 20;
    private const int SigAbrt = 6;
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";
    private const string Heap = "[{type: Heap}]";
    private const string HeapSuffix = "heap.nettrace.gz";
    private const string AllocationsSuffix = "allocations.nettrace";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task A_kill_that_no_trigger_saw_coming_leaves_a_baseline_of_the_heap()
    {
        using var ground = new SidecarGround(Never, Heap, flightRecorder: "{every: 1s, keep: 2}");
        using var cgroup = MemoryCgroup.Create(256 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var leak = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-kind", "native", "-rate", "20", "-delay", "6s"]);
        Assert.Equal(128 + SidecarProcess.SigKill, await leak.Process.WaitForExitAsync());

        var capture = await ground.StoredAsync();
        var record = capture.Record;
        Assert.Equal(("oom-kill", CaptureOutcome.OOMKilled, CapturePhase.Partial), (record.Trigger.Name, record.Outcome, record.Phase));
        Assert.Equal("baseline", record.TopFrom);
        Assert.NotEmpty(record.Top);
        var newest = record.Artifacts.Single(artifact => artifact.Key is "baseline-" + HeapSuffix or "baseline-" + AllocationsSuffix);
        Assert.True(newest.IsComplete, newest.Error);
        // Before it kills, a kernel that reads the program's code anew again and again may take a minute, at the ceiling, where nothing is recorded.
        var full = sidecar.Log.Last(line => line.EventId == 300).At;
        Assert.InRange(newest.TakenAt!.Value, full.AddSeconds(-60), record.DiedAt!.Value.AddSeconds(3));
        Assert.True(newest.Heap?.CommittedBytes > 0, "the runtime's counters are not with the baseline");
        Assert.Contains(record.Artifacts, artifact => artifact.Type == ArtifactKeys.Baseline && artifact.Key.EndsWith(HeapSuffix, StringComparison.Ordinal));
        Assert.Contains("there is a baseline of ", Assert.Single(record.Plan).Detail, StringComparison.Ordinal);
        Assert.Contains("a baseline that the flight recorder took", await File.ReadAllTextAsync(capture.PathOf(Names.Report)), StringComparison.Ordinal);

        await Eventually.Holds(() => ground.Baselines.Count, count => count == 0, "no baseline of the dead");
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task A_program_that_runs_out_of_its_heap_leaves_what_it_was_allocating()
    {
        using var ground = new SidecarGround(Never, Heap, flightRecorder: "{every: 1s, keep: 2}");
        using var cgroup = MemoryCgroup.Create(512 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        // It lives half a minute: where the first baseline has cost the sidecar much, the next one waits.
        await using var leak = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-rate", "10", "-delay", "4s"]);
        Assert.Equal(128 + SigAbrt, await leak.Process.WaitForExitAsync());

        var capture = await ground.StoredAsync();
        var record = capture.Record;
        Assert.Equal(("exit", CaptureOutcome.Exited, "baseline"), (record.Trigger.Name, record.Outcome, record.TopFrom));
        Assert.Contains(record.Top, entry => entry.Name.StartsWith("Shop.Orders.", StringComparison.Ordinal));
        // The last one of the heap, from when it was small, and the last one of what came after.
        var keys = record.Artifacts.Where(artifact => artifact.Type == ArtifactKeys.Baseline).Select(artifact => artifact.Key).ToList();
        Assert.Equal(["baseline-" + AllocationsSuffix, "baseline-2-" + HeapSuffix], keys);
        Assert.Contains("Shop.Orders.Order", await File.ReadAllTextAsync(capture.PathOf(Names.Report)), StringComparison.Ordinal);
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task The_report_shows_which_types_have_grown_since_a_baseline_that_a_former_sidecar_took()
    {
        using var ground = new SidecarGround(Never, Heap, flightRecorder: "{every: 1s, keep: 2}");
        await using var target = await DotNetLeak.StartAsync(flags: ["-rate", "2", "-size", "60", "-delay", "6s"]);
        await using (var killed = SidecarProcess.OnProcess(ground, target.Process.Id))
        {
            await Eventually.Holds(() => ground.Baselines, files => files.Any(file => file.EndsWith(HeapSuffix, StringComparison.Ordinal)), "a baseline of the heap", s_patience);
            killed.Signal(SidecarProcess.SigKill);
            await killed.ExitAsync();
        }
        ground.WritePolicy(Never, Heap, flightRecorder: "{every: 1h, keep: 2}");
        await target.Process.WaitForLineAsync("done growing", s_patience);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.WaitForAsync(206);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(524);
        Assert.Equal(0, await sidecar.StopAsync());

        var capture = await ground.StoredAsync();
        Assert.Null(capture.Record.TopFrom);
        var baseline = Assert.Single(capture.Record.Artifacts, artifact => artifact.Key == "baseline-" + HeapSuffix);
        Assert.True(baseline.TakenAt < capture.Record.Trigger.At);
        var report = await File.ReadAllTextAsync(capture.PathOf(Names.Report));
        var growth = report[report.IndexOf("Growth since the baseline", StringComparison.Ordinal)..];
        Assert.Contains("Shop.Orders.OrderLine", growth[..growth.IndexOf("</section>", StringComparison.Ordinal)], StringComparison.Ordinal);

        // The same in a terminal.
        var top = await ChildProcess.RunAsync(Repository.Built("artifacts/publish/premortem", "build"), ["top", "-base", capture.PathOf(baseline.Key), capture.PathOf(ArtifactKeys.Types)]);
        Assert.Equal(0, top.ExitCode);
        Assert.Contains("Shop.Orders.OrderLine", top.Output, StringComparison.Ordinal);
    }
}
