using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>Disks that are full, read-only or too small, and what survives that.</summary>
public sealed class DiskFaultTests
{
    private const string Never = "[{name: never, memoryUsage: {threshold: 1Ti}}]";

    [Fact]
    public async Task On_a_full_spool_disk_what_fits_is_captured_and_the_rest_has_its_reason()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Process}, {type: Trace, duration: 2s}]");
        using var disk = SmallDisk.Mount(ground.File("disk"), kibibytes: 512);
        ground.Spool = Path.Combine(disk.Path, "spool");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20", "-goroutines", "2000"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        // But for what a small profile takes.
        disk.Fill(leaveKibibytes: 40);
        sidecar.Signal(SidecarProcess.SigUsr1);
        Assert.Equal(Reasons.DiskFull, (await sidecar.WaitForAsync(501, line => line["Type"] == "Trace"))["Reason"]);
        Assert.Equal(0, await sidecar.StopAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal(CapturePhase.Partial, capture.Record.Phase);
        Assert.True(capture.Artifact("Heap").IsComplete, capture.Artifact("Heap").Error);
        Assert.Equal(Reasons.DiskFull, capture.Artifact("Trace").Reason);
        Assert.Equal(0, ground.Waiting);
    }

    [Fact]
    public async Task A_sidecar_that_starts_on_a_full_spool_disk_stores_what_was_left_and_goes_on()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Process}]");
        using var disk = SmallDisk.Mount(ground.File("disk"), kibibytes: 1024);
        ground.Spool = Path.Combine(disk.Path, "spool");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await File.WriteAllTextAsync(ground.Store, "in the way");
        await using (var first = SidecarProcess.OnProcess(ground, target.Process.Id))
        {
            await first.ReadyAsync();
            first.Signal(SidecarProcess.SigUsr1);
            await first.WaitForAsync(500, line => line["Type"] == "Process");
            first.Signal(SidecarProcess.SigKill);
            await first.ExitAsync();
        }
        File.Delete(ground.Store);
        disk.Fill(leaveKibibytes: 0);
        await using var second = SidecarProcess.OnProcess(ground, target.Process.Id);
        var capture = await ground.StoredAsync();
        Assert.True(capture.Artifact("Heap").IsComplete, capture.Artifact("Heap").Error);
        Assert.True(capture.Artifact("Process").IsComplete);
        Assert.Equal(0, await second.StopAsync());
        Assert.Equal(0, ground.Waiting);
    }

    [Fact]
    public async Task A_disk_without_any_room_fails_the_capture_and_not_the_sidecar()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}]");
        using var disk = SmallDisk.Mount(ground.File("disk"), kibibytes: 128);
        ground.Spool = Path.Combine(disk.Path, "spool");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        disk.Fill(leaveKibibytes: 0);
        sidecar.Signal(SidecarProcess.SigUsr1);
        Assert.Equal(Reasons.DiskFull, (await sidecar.WaitForAsync(502))["Reason"]);
        await sidecar.WaitForAsync(403);
        Assert.Single(sidecar.Events(403));
        disk.Clear();
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500);
        Assert.Equal(0, await sidecar.StopAsync());
        await ground.StoredAsync();
    }

    [Fact]
    public async Task The_spools_own_bound_holds()
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Process}, {type: Trace, duration: 3s}]", limits: "{spool: 1Mi}");
        await File.WriteAllTextAsync(ground.Store, "in the way");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "sawtooth", "-size", "20", "-rate", "400", "-goroutines", "20000"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        // What waits for the store fills it, capture by capture.
        for (var round = 1; round <= 60 && sidecar.Events(501).All(line => line["Reason"] != Reasons.SpoolFull); round++)
        {
            sidecar.Signal(SidecarProcess.SigUsr1);
            await Eventually.IsTrue(() => sidecar.Events(500).Concat(sidecar.Events(501)).Count(line => line["Type"] == "Trace") >= round, "a round", TimeSpan.FromSeconds(20));
        }
        Assert.Contains(sidecar.Events(501), line => line["Reason"] is Reasons.SpoolFull or Reasons.TooLarge);
        Assert.InRange(new DirectoryInfo(ground.Spool).EnumerateFiles("*.*", SearchOption.AllDirectories).Where(file => file.Extension is not ".json").Sum(file => file.Length), 1, 1 << 20);
        File.Delete(ground.Store);
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.All(ground.Captures, capture => capture.AssertWhole());
    }

    [Theory]
    [InlineData("full")]
    [InlineData("read-only")]
    public async Task What_a_bad_store_disk_does_not_take_waits_until_it_does(string fault)
    {
        using var ground = new SidecarGround(Never, "[{type: Heap}, {type: Goroutine}, {type: Process}]");
        using var disk = SmallDisk.Mount(ground.Store, kibibytes: 1024);
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "20"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.ReadyAsync();
        if (fault == "full")
            disk.Fill(leaveKibibytes: 0);
        else
            disk.SetReadOnly(true);
        sidecar.Signal(SidecarProcess.SigUsr1);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Process");
        var failed = await sidecar.WaitForAsync(602);
        Assert.Equal(fault == "full" ? Reasons.DiskFull : Reasons.AccessDenied, failed["Reason"]);
        Assert.Empty(ground.Captures);
        if (fault == "full")
            disk.Clear();
        else
            disk.SetReadOnly(false);
        Assert.Equal(0, await sidecar.StopAsync());
        Assert.Equal(CapturePhase.Completed, (await ground.StoredAsync()).Record.Phase);
        Assert.Equal(0, ground.Waiting);
    }
}
