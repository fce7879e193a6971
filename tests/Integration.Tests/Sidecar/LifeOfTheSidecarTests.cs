using System.Diagnostics;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>Signals, restarts of the sidecar, and how ends of the target are told apart.</summary>
public sealed class LifeOfTheSidecarTests
{
    private const long MiB = 1 << 20;
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";
    private const string Big = "[{name: big, memoryUsage: {threshold: 30Mi}}]";

    [Fact]
    public async Task SIGUSR1_captures_now()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Allocs}, {type: Goroutine}, {type: ThreadCreate}, {type: Block}, {type: Mutex}, {type: Trace, duration: 1s}, {type: Cpu, duration: 1s}, {type: Process}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Cpu");
        Assert.Equal(0, await sidecar.StopAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal("requested", capture.Record.Trigger.Name);
        Assert.Equal(CapturePhase.Completed, capture.Record.Phase);
        Assert.Equal(CaptureOutcome.Survived, capture.Record.Outcome);
        Assert.Equal(9, capture.Record.Artifacts.Count(artifact => Enum.TryParse<CaptureType>(artifact.Type, out _) && artifact.IsComplete));
    }

    [Fact]
    public async Task What_fires_during_a_CPU_profile_brings_a_heap_of_its_own()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Cpu, duration: 4s}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Heap");
        sidecar.Signal(SidecarProcess.SigUsr1);
        await Eventually.IsTrue(() => sidecar.Events(500).Count(line => line["Type"] == "Heap") == 2, "a second heap profile");
        Assert.Equal(0, await sidecar.StopAsync());
        var first = await ground.StoredAsync(record => record.Phase == CapturePhase.Completed);
        var second = await ground.StoredAsync(record => record.Phase == CapturePhase.Partial);
        Assert.True(first.Artifact("Cpu").IsComplete);
        Assert.True(second.Artifact("Heap").IsComplete);
        Assert.Equal(PlanDecisions.Skipped, second.Record.Plan.Single(step => step.Type == CaptureType.Cpu).Decision);
    }

    [Theory]
    [InlineData(SidecarProcess.SigTerm)]
    [InlineData(SidecarProcess.SigInt)]
    public async Task A_signal_to_end_lets_a_CPU_capture_finish_within_the_grace_period(int signal)
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Cpu, duration: 3s}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id, "--grace-period", "20s");
        await sidecar.ReadyAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Heap");
        Assert.Equal(0, await sidecar.StopAsync(signal));
        var capture = await ground.StoredAsync();
        Assert.Equal(CapturePhase.Completed, capture.Record.Phase);
        Assert.Equal(CaptureOutcome.Survived, capture.Record.Outcome);
        Assert.Equal(0, ground.Waiting);
    }

    [Fact]
    public async Task A_CPU_capture_longer_than_the_grace_period_is_cut_and_nothing_else_lost()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Cpu, duration: 60s}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id, "--grace-period", "3s");
        await sidecar.ReadyAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Heap");
        var clock = Stopwatch.StartNew();
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(4));
        var capture = await ground.StoredAsync();
        Assert.Equal(CapturePhase.Partial, capture.Record.Phase);
        Assert.True(capture.Artifact("Heap").IsComplete);
        Assert.Equal(Reasons.Interrupted, capture.Artifact("Cpu").Reason);
    }

    [Fact]
    public async Task A_target_that_dies_while_the_sidecar_ends_is_not_called_a_survivor()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Cpu, duration: 10s}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Heap");
        sidecar.Signal(SidecarProcess.SigTerm);
        await sidecar.WaitForAsync(101);
        target.Process.Signal(SidecarProcess.SigTerm);
        Assert.Equal(0, await sidecar.ExitAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal(CaptureOutcome.Exited, capture.Record.Outcome);
        Assert.Equal(Reasons.TargetExited, capture.Artifact("Cpu").Reason);
        Assert.True(capture.Artifact("Heap").IsComplete);
    }

    [Fact]
    public async Task What_cannot_be_stored_in_time_is_left_in_the_spool_and_stored_by_the_next_start()
    {
        using var ground = new SidecarGround(Never);
        // A file stands where the store's folder should be.
        await File.WriteAllTextAsync(ground.Store, "in the way");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using (var first = SidecarProcess.OnProcess(ground, target.Process.Id, "--grace-period", "2s"))
        {
            await first.ReadyAsync();
            first.Signal(SidecarProcess.SigUsr1);
            await first.WaitForAsync(500, line => line["Type"] == "Process");
            await first.WaitForAsync(602);
            Assert.Equal(5, await first.StopAsync());
            Assert.Equal(1, ground.Waiting);
        }
        File.Delete(ground.Store);
        await using var second = SidecarProcess.OnProcess(ground, target.Process.Id);
        var capture = await ground.StoredAsync();
        Assert.Equal(CapturePhase.Completed, capture.Record.Phase);
        Assert.Equal(CaptureOutcome.Survived, capture.Record.Outcome);
        Assert.Equal(0, await second.StopAsync());
        Assert.Equal(0, ground.Waiting);
    }

    [Fact]
    public async Task Cooldown_and_daily_limit_outlive_the_sidecar()
    {
        using var ground = new SidecarGround(Big, "[{type: Process}]", "{cooldown: 10m, maxPerDay: 1}");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "60"]);
        await using (var first = SidecarProcess.OnProcess(ground, target.Process.Id))
        {
            await first.WaitForAsync(500);
            Assert.Equal(0, await first.StopAsync());
        }
        await using (var second = SidecarProcess.OnProcess(ground, target.Process.Id))
        {
            Assert.Equal(Reasons.Cooldown, (await second.WaitForAsync(401))["Reason"]);
            Assert.Equal(0, await second.StopAsync());
        }
        ground.WritePolicy(Big, "[{type: Process}]", "{cooldown: 0s, maxPerDay: 1}");
        await using var third = SidecarProcess.OnProcess(ground, target.Process.Id);
        Assert.Equal(Reasons.MaxPerDay, (await third.WaitForAsync(401))["Reason"]);
        Assert.Equal(0, await third.StopAsync());
        await ground.StoredAsync();
    }

    [Fact]
    public async Task A_crash_makes_a_record_by_itself()
    {
        using var ground = new SidecarGround(Never);
        using var cgroup = MemoryCgroup.Create(128 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var target = await GoLeak.StartAsync(cgroup.Path, flags: ["-mode", "crash", "-size", "20", "-rate", "30"]);
        Assert.Equal(2, await target.Process.WaitForExitAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal("exit", capture.Record.Trigger.Name);
        Assert.Equal(CaptureOutcome.Exited, capture.Record.Outcome);
        Assert.Contains("code 2", capture.Record.OutcomeReason);
        Assert.Equal(CapturePhase.Failed, capture.Record.Phase);
        Assert.True(capture.Artifact("MemoryTimeline").IsComplete);
    }

    [Fact]
    public async Task A_kill_by_hand_is_not_called_out_of_memory()
    {
        using var ground = new SidecarGround(Never);
        using var cgroup = MemoryCgroup.Create(128 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var target = await GoLeak.StartAsync(cgroup.Path, flags: ["-mode", "hold", "-size", "90"]);
        await sidecar.ReadyAsync();
        target.Process.Signal(SidecarProcess.SigKill);
        var capture = await ground.StoredAsync();
        Assert.Equal("exit", capture.Record.Trigger.Name);
        Assert.Equal(CaptureOutcome.Exited, capture.Record.Outcome);
        Assert.Contains("signal 9", capture.Record.OutcomeReason);
    }

    [Fact]
    public async Task An_orderly_exit_makes_no_record()
    {
        using var ground = new SidecarGround(Never);
        using var cgroup = MemoryCgroup.Create(128 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using (var target = ChildProcess.Start("/bin/sh", ["-c", "until [ -e \"$0\" ]; do sleep 0.1; done", ground.File("go")], cgroup.Path))
        {
            await sidecar.WaitForAsync(200, line => line["Incarnation"] == "1");
            await File.WriteAllTextAsync(ground.File("go"), "");
            Assert.Equal(0, await target.WaitForExitAsync());
        }
        await using (var target = ChildProcess.Start("sleep", ["60"], cgroup.Path))
        {
            await sidecar.WaitForAsync(200, line => line["Incarnation"] == "2");
            target.Signal(SidecarProcess.SigTerm);
            await target.WaitForExitAsync();
        }
        await Eventually.IsTrue(() => sidecar.Events(204).Count == 2, "both ends noticed");
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Empty(ground.Captures);
        Assert.Empty(sidecar.Events(400));
    }
}
