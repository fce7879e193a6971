using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>The plan of the native program: what it measures, what it holds back.</summary>
public sealed class PlanTests
{
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";

    [Fact]
    public async Task A_target_without_headroom_is_left_in_peace()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Cpu, duration: 1s}, {type: Process}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "40"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id, "--memory-limit", "16Mi");
        await sidecar.ReadyAsync();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(503, line => line["Plan"] == "Process, no Heap (NotEnoughHeadroom), no Cpu (NotEnoughHeadroom)");
        Assert.Equal(0, await sidecar.StopAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal(CapturePhase.Partial, capture.Record.Phase);
        Assert.True(capture.Artifact("Process").IsComplete);
        Assert.EndsWith("may be used", capture.Record.Plan.Single(step => step.Type == CaptureType.Heap).Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(capture.Record.Artifacts, artifact => artifact.Type is "Heap" or "Cpu");
    }

    [Fact]
    public async Task What_a_capture_has_cost_is_told_and_expected_the_next_time()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Cpu, duration: 1s}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        foreach (var count in (int[])[1, 2])
        {
            sidecar.Signal(SidecarProcess.SigUsr1);
            await Eventually.IsTrue(() => sidecar.Events(500).Count(line => line["Type"] == "Cpu") == count, $"{count} CPU profiles");
        }
        Assert.Equal(0, await sidecar.StopAsync());
        var captures = ground.Captures.OrderBy(capture => capture.Record.StartedAt).ToList();
        Assert.Equal(2, captures.Count);
        var (first, second) = (captures[0].AssertWhole(), captures[1].AssertWhole());
        Assert.Equal(TimeSpan.FromMilliseconds(50), HeapStep(first.Record).CostTime);
        Assert.NotNull(first.Artifact("Cpu").RiseBytes);
        var heap = first.Artifact("Heap");
        Assert.Equal(
            TimeSpan.FromMilliseconds(Math.Ceiling((heap.CompletedAt!.Value - heap.StartedAt!.Value).TotalMilliseconds)),
            HeapStep(second.Record).CostTime);
    }

    private static PlannedCapture HeapStep(CaptureRecord record) => record.Plan.Single(step => step.Type == CaptureType.Heap);
}
