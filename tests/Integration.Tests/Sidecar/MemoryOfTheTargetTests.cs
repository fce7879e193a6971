using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>What counts as danger, and what does not.</summary>
public sealed class MemoryOfTheTargetTests
{
    private const long MiB = 1 << 20;
    private const string Usual = "[{name: oom-ahead, timeToLimit: {within: 20s}}, {name: near-limit, memoryUsage: {threshold: 85%, for: 2s}}]";

    [Fact]
    public async Task Without_a_limit_quantities_fire_and_the_rest_is_said_to_be_idle()
    {
        using var ground = new SidecarGround("[{name: share, memoryUsage: {threshold: 10%}}, {name: oom-ahead, timeToLimit: {within: 20s}}, {name: big, memoryUsage: {threshold: 60Mi}}]");
        using var cgroup = MemoryCgroup.Create(null);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var target = await GoLeak.StartAsync(cgroup.Path, flags: ["-size", "100", "-rate", "100"]);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Process");
        Assert.Equal(0, await sidecar.StopAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal("big", capture.Record.Trigger.Name);
        Assert.Null(capture.Record.Memory.LimitBytes);
        Assert.Single(sidecar.Events(205));
        Assert.Single(sidecar.Events(400));
    }

    [Fact]
    public async Task A_limit_given_by_hand_is_measured_against()
    {
        using var ground = new SidecarGround("[{name: near-limit, memoryUsage: {threshold: 50%}}]");
        await using var target = await GoLeak.StartAsync(flags: ["-size", "100", "-rate", "100"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id, "--memory-limit", "128Mi");
        await sidecar.WaitForAsync(500, line => line["Type"] == "Process");
        Assert.Equal(0, await sidecar.StopAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal(128 * MiB, capture.Record.Memory.CeilingBytes);
        Assert.Null(capture.Record.Memory.LimitBytes);
        Assert.InRange(capture.Record.Memory.WorkingSetBytes, 64 * MiB, 128 * MiB);
        Assert.Empty(sidecar.Events(205));
    }

    [Fact]
    public async Task A_burst_of_page_cache_is_no_danger()
    {
        using var ground = new SidecarGround(Usual);
        using var cgroup = MemoryCgroup.Create(96 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var target = await GoLeak.StartAsync(cgroup.Path, flags: ["-mode", "pagecache", "-size", "300", "-file", ground.File("burst")]);
        await sidecar.ReadyAsync();
        var peak = Path.Combine(cgroup.Path, MemoryCgroup.IsV2 ? "memory.peak" : "memory.max_usage_in_bytes");
        await Eventually.Holds(() => long.Parse(File.ReadAllText(peak)), bytes => bytes > 90 * MiB, "usage at the limit", TimeSpan.FromSeconds(30));
        await Task.Delay(TimeSpan.FromSeconds(4), TimeProvider.System);
        Assert.False(target.Process.HasExited);
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Empty(sidecar.Events(400));
        Assert.Empty(ground.Captures);
    }

    [Fact]
    public async Task A_sawtooth_that_does_not_climb_is_no_danger()
    {
        using var ground = new SidecarGround(Usual);
        using var cgroup = MemoryCgroup.Create(256 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        // Teeth of two and a half seconds, from almost nothing to two fifths of the limit: half as long as what the first one is given to end, and far
        // from so fast that the ceiling would be urgent, also where a busy machine holds the program up and it catches up at twice the speed.
        await using var target = await GoLeak.StartAsync(cgroup.Path, environment: new Dictionary<string, string?> { ["GODEBUG"] = "madvdontneed=1", ["GOGC"] = "off" }, flags: ["-mode", "sawtooth", "-size", "100", "-rate", "40", "-spin=false"]);
        await sidecar.ReadyAsync();
        await sidecar.WaitForAsync(300, line => line["Percent"].StartsWith('3') || line["Percent"].StartsWith('4'));
        await Task.Delay(TimeSpan.FromSeconds(8), TimeProvider.System);
        Assert.False(target.Process.HasExited);
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Empty(sidecar.Events(400));
    }

    [Fact]
    public async Task A_limit_that_is_raised_while_it_runs_is_followed()
    {
        using var ground = new SidecarGround("[{name: near-limit, memoryUsage: {threshold: 80%}}]");
        using var cgroup = MemoryCgroup.Create(100 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var target = await GoLeak.StartAsync(cgroup.Path, flags: ["-size", "240", "-rate", "40", "-delay", "500ms"]);
        await sidecar.WaitForAsync(300, line => line["Percent"].StartsWith('3'));
        cgroup.SetLimit(200 * MiB);
        Assert.Equal(128 + SidecarProcess.SigKill, await target.Process.WaitForExitAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal(200 * MiB, capture.Record.Memory.LimitBytes);
        Assert.InRange(capture.Record.Memory.WorkingSetBytes, 150 * MiB, 200 * MiB);
        Assert.Equal(CaptureOutcome.OOMKilled, capture.Record.Outcome);
        Assert.True(capture.Artifact("Heap").IsComplete, capture.Artifact("Heap").Error);
    }
}
