using System.Globalization;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>A machine that is full of processes.</summary>
[Collection(nameof(WholeMachine))]
public sealed class CrowdTests
{
    private const int Processes = 2_000;

    [Fact]
    public async Task Two_thousand_processes_cost_an_idle_sidecar_next_to_nothing()
    {
        using var ground = new SidecarGround();
        using var crowd = MemoryCgroup.Create(2L << 30);
        using var own = MemoryCgroup.Create(null);
        // A pod with a crowd in one container, and a sidecar in another. The crowd goes with its PID namespace.
        const string pod = """
            (echo 0 > "$1/cgroup.procs"; i=0; while [ $i -lt "$3" ]; do sleep 300 & i=$((i + 1)); done; echo crowd is here; exec sleep 300) &
            echo 0 > "$2/cgroup.procs"
            exec "$4" run --policy "$5" --spool "$6" --pod
            """;
        await using var outer = ChildProcess.Start(
            "unshare",
            ["--pid", "--fork", "--mount", "--propagation", "unchanged", "--kill-child", "/bin/sh", "-c", SidecarProcess.OwnProc + pod, "pod", crowd.Path, own.Path, $"{Processes}", SidecarProcess.Program, ground.Policy, ground.Spool]);
        await using var sidecar = SidecarProcess.From(outer);
        await outer.WaitForLineAsync("crowd is here", TimeSpan.FromSeconds(60));
        await sidecar.WaitForAsync(200, timeout: TimeSpan.FromSeconds(30));
        // The first scan of all of them is paid once.
        await Task.Delay(TimeSpan.FromSeconds(6), TimeProvider.System);
        Assert.True(File.ReadLines(Path.Combine(crowd.Path, "cgroup.procs")).Count() >= Processes);

        var pid = int.Parse(File.ReadLines(Path.Combine(own.Path, "cgroup.procs")).First(), CultureInfo.InvariantCulture);
        var before = CpuSeconds(pid);
        await Task.Delay(TimeSpan.FromSeconds(10), TimeProvider.System);
        var used = (CpuSeconds(pid) - before) / 10;
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"idle among {Processes} processes: {used:P2} of a core"));
        Assert.InRange(used, 0, 0.02);
    }

    private static double CpuSeconds(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        const double ticksPerSecond = 100;
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / ticksPerSecond;
    }
}
