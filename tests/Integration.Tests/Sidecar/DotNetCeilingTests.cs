using System.Globalization;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>A .NET program is measured against what ends it: its own heap limit, or its container's.</summary>
[Collection(nameof(WholeMachine))]
public sealed class DotNetCeilingTests
{
    private const long MiB = 1 << 20;
    private const long Limit = 256 * MiB;
    private const int SigAbrt = 6;
    private const string At85 = "[{name: near-limit, memoryUsage: {threshold: 85%}}]";

    [Theory]
    [InlineData(20)]
    [InlineData(100)]
    public async Task A_managed_leak_is_noticed_before_the_runtime_is_out_of_memory(int megabytesASecond)
    {
        using var ground = new SidecarGround(At85, "[{type: Process}]");
        using var cgroup = MemoryCgroup.Create(Limit);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var leak = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-rate", Number(megabytesASecond), "-delay", "4s"]);

        Assert.Equal(128 + SigAbrt, await leak.Process.WaitForExitAsync());
        Assert.Contains("Out of memory", leak.Process.Output, StringComparison.Ordinal);
        var record = (await ground.StoredAsync(record => record.Trigger.Name == "near-limit")).Record;
        Assert.Equal(("DotNet", 192 * MiB), (record.Target.Runtime?.Kind.ToString(), record.Target.Runtime?.HeapLimitBytes));
        Assert.Equal("dotnet-leak", record.Target.Runtime?.MainModule);
        Assert.InRange(record.Memory.CeilingBytes!.Value, 160 * MiB, 235 * MiB);
        Assert.Equal(CaptureOutcome.Exited, record.Outcome);
        Assert.True(record.Trigger.At < record.DiedAt, $"fired at {record.Trigger.At:O}, died at {record.DiedAt:O}");
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task A_native_leak_is_measured_against_the_containers_limit()
    {
        using var ground = new SidecarGround(At85, "[{type: Process}]");
        using var cgroup = MemoryCgroup.Create(Limit);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var leak = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-kind", "native", "-rate", "20", "-delay", "4s"]);

        Assert.Equal(128 + SidecarProcess.SigKill, await leak.Process.WaitForExitAsync());
        var record = (await ground.StoredAsync(record => record.Trigger.Name == "near-limit")).Record;
        Assert.Equal(CaptureOutcome.OOMKilled, record.Outcome);
        Assert.Equal(192 * MiB, record.Target.Runtime?.HeapLimitBytes);
        Assert.Equal(Limit, record.Memory.CeilingBytes);
        Assert.InRange(record.Memory.WorkingSetBytes, (long)(0.85 * Limit), Limit);
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task A_runtime_that_dials_is_found_and_its_heap_is_in_the_timeline()
    {
        using var ground = new SidecarGround("[{name: never, memoryUsage: {threshold: 1Ti}}]", "[{type: Process}]");
        var port = ground.File("port");
        using var cgroup = MemoryCgroup.Create(Limit);
        await using (var sidecar = SidecarProcess.OnCgroup(ground, cgroup, "--diagnostic-port", port))
        {
            await using var target = await DotNetLeak.StartAsync(
                cgroup.Path,
                environment: new Dictionary<string, string?> { ["DOTNET_DiagnosticPorts"] = $"{port},connect,nosuspend" },
                flags: ["-kind", "churn", "-rate", "60", "-size", "60"]);
            var found = await sidecar.WaitForAsync(206);
            Assert.Contains("dotnet-leak", found["Assembly"], StringComparison.Ordinal);
            await Eventually.Holds(
                () =>
                {
                    sidecar.Signal(SidecarProcess.SigUsr1);
                    return ground.Captures.Any(capture => File.ReadAllLines(capture.PathOf("memory.csv")).Skip(1).Any(row => row.Split(',')[8].Length > 0));
                },
                isThere => isThere,
                "a heap in a timeline",
                TimeSpan.FromSeconds(90));
            Assert.Equal(0, await sidecar.StopAsync());
        }
        Assert.False(File.Exists(port));
    }

    [Fact]
    public async Task A_runtime_that_starts_again_is_listened_to_again()
    {
        using var ground = new SidecarGround("[{name: never, memoryUsage: {threshold: 1Ti}}]", "[{type: Process}]");
        using var cgroup = MemoryCgroup.Create(Limit);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        for (var life = 1; life <= 2; life++)
        {
            await using var target = await DotNetLeak.StartAsync(cgroup.Path, flags: ["-kind", "none"]);
            var wanted = Number(target.Process.Id);
            await sidecar.WaitForAsync(206, line => line["Endpoint"].Contains($"-{wanted}-", StringComparison.Ordinal));
        }
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task A_runtime_of_another_user_is_watched_and_the_log_says_why_there_is_no_more()
    {
        Need.Part(Environment.UserName == "root", "only root can start a sidecar as another user");
        using var ground = new SidecarGround("[{name: never, memoryUsage: {threshold: 1Ti}}]", "[{type: Process}]");
        Assert.Equal(0, (await ChildProcess.RunAsync("chmod", ["-R", "a+rwX", Path.GetDirectoryName(ground.Policy)!])).ExitCode);
        await using var target = await DotNetLeak.StartAsync(flags: ["-kind", "none"]);
        await using var sidecar = SidecarProcess.From(ChildProcess.Start(
            "setpriv",
            ["--reuid", "65534", "--clear-groups", "--inh-caps=-all", SidecarProcess.Program, "run", "--policy", ground.Policy, "--spool", ground.Spool, "--pid", Number(target.Process.Id)]));
        var missing = await sidecar.WaitForAsync(203);
        Assert.Equal(Reasons.AccessDenied, missing["Reason"]);
        Assert.Contains("run the sidecar as the target's user", missing["Detail"], StringComparison.Ordinal);
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task A_port_that_cannot_be_listened_on_is_refused()
    {
        using var ground = new SidecarGround();
        var (exitCode, output) = await SidecarProcess.RunAsync(ground, "--pid", Number(Environment.ProcessId), "--diagnostic-port", ground.File("no/such/folder/port"));
        Assert.Equal(2, exitCode);
        Assert.Contains("--diagnostic-port", output, StringComparison.Ordinal);
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
