using System.Globalization;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>Which processes are watched, and through what.</summary>
public sealed class ScopeTests
{
    private const long MiB = 1 << 20;
    private const string Early = "[{name: near-limit, memoryUsage: {threshold: 40%}}]";

    [Fact]
    public async Task A_process_is_watched_until_it_ends()
    {
        using var ground = new SidecarGround("[{name: big, memoryUsage: {threshold: 60Mi}}]");
        await using var target = await GoLeak.StartAsync(flags: ["-mode", "hold", "-size", "80"]);
        await using var sidecar = SidecarProcess.OnProcess(ground, target.Process.Id);
        await sidecar.WaitForAsync(500, line => line["Type"] == "Process");
        target.Process.Signal(SidecarProcess.SigTerm);

        Assert.Equal(0, await sidecar.ExitAsync());
        var capture = await ground.StoredAsync();
        Assert.Equal(CaptureOutcome.Exited, capture.Record.Outcome);
        Assert.Equal("proc", capture.Record.Memory.Source);
        Assert.Equal("go-leak", capture.Record.Target.Container);
        Assert.Equal("nothing is left to watch", (await sidecar.WaitForAsync(101))["Reason"]);
    }

    [Fact]
    public async Task A_restart_in_the_cgroup_is_followed_and_captured_again()
    {
        using var ground = new SidecarGround(Early, limits: "{cooldown: 0s}");
        using var cgroup = MemoryCgroup.Create(128 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        for (var life = 1; life <= 2; life++)
        {
            await using var leak = await GoLeak.StartAsync(cgroup.Path, flags: ["-rate", "60", "-delay", "300ms"]);
            await leak.Process.WaitForExitAsync();
            // Without a cooldown a new high makes a further capture of the same life.
            var captures = await Eventually.Holds(() => ground.Captures.Where(capture => capture.Record.Target.Incarnation == life).ToList(), found => found.Count > 0 && ground.Waiting == 0, $"captures of life {life}", TimeSpan.FromSeconds(30));
            var capture = captures[0].AssertWhole();
            Assert.Equal(leak.Process.Id, capture.Record.Target.Pid);
            Assert.Equal(CaptureOutcome.OOMKilled, capture.Record.Outcome);
            Assert.True(capture.Artifact("Heap").IsComplete, capture.Artifact("Heap").Error);
        }
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task The_end_of_the_cgroup_is_the_end_of_the_watch()
    {
        using var ground = new SidecarGround();
        using var cgroup = MemoryCgroup.Create(64 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await sidecar.WaitForAsync(100);
        cgroup.Dispose();
        Assert.Equal(0, await sidecar.ExitAsync());
    }

    [Fact]
    public async Task A_target_may_start_late()
    {
        using var ground = new SidecarGround(Early);
        using var cgroup = MemoryCgroup.Create(128 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await sidecar.WaitForAsync(100);
        // Moved in when it runs already: no process is born that a scan could notice.
        await using var leak = await GoLeak.StartAsync(flags: ["-rate", "60", "-delay", "2s"]);
        await File.WriteAllTextAsync(Path.Combine(cgroup.Path, "cgroup.procs"), leak.Process.Id.ToString(CultureInfo.InvariantCulture));
        var capture = await ground.StoredAsync(record => record.Trigger.Name == "near-limit");
        Assert.Equal(leak.Process.Id, capture.Record.Target.Pid);
        Assert.True(capture.Artifact("Heap").IsComplete, capture.Artifact("Heap").Error);
    }

    [Fact]
    public async Task Of_a_shell_and_its_Go_child_the_child_is_captured()
    {
        using var ground = new SidecarGround(Early);
        using var cgroup = MemoryCgroup.Create(128 * MiB);
        await using var sidecar = SidecarProcess.OnCgroup(ground, cgroup);
        await using var shell = ChildProcess.Start("/bin/sh", ["-c", "sleep 4; \"$0\" -addr 127.0.0.1:0 -rate 60 -delay 500ms & wait $!; echo child ended; sleep 60", GoLeak.Program], cgroup.Path);

        await shell.WaitForLineAsync("child ended", TimeSpan.FromSeconds(30));
        var capture = await ground.StoredAsync();
        Assert.NotEqual(shell.Id, capture.Record.Target.Pid);
        Assert.Equal("premortem.dev/samples/go-leak", capture.Record.Target.Runtime?.MainModule);
        Assert.Equal(1, capture.Record.Target.Incarnation);
        Assert.Equal(CaptureOutcome.OOMKilled, capture.Record.Outcome);
        Assert.True(capture.Artifact("Heap").IsComplete, capture.Artifact("Heap").Error);
        // Said once of the shell before the child came; nobody goes on looking for profiles in a shell that is not the main process.
        Assert.Single(sidecar.Events(203), line => line["Detail"].Contains("neither a Go nor a .NET program", StringComparison.Ordinal));
        Assert.Equal(0, await sidecar.StopAsync());
    }

    [Fact]
    public async Task The_containers_of_a_pod_are_told_apart_and_named()
    {
        using var ground = new SidecarGround(Early);
        using var api = MemoryCgroup.Create(128 * MiB);
        using var worker = MemoryCgroup.Create(96 * MiB);
        using var own = MemoryCgroup.Create(null);
        // A pod: one PID namespace, a cgroup for each container, process 1 is nobody's. The sidecar is the last to start.
        const string pod = """
            in_cgroup() { (echo 0 > "$1/cgroup.procs"; shift; exec "$@"); }
            in_cgroup "$1" env PREMORTEM_CONTAINER=api "$4" -addr 127.0.0.1:0 -rate 40 -delay 1s &
            in_cgroup "$2" env PREMORTEM_CONTAINER=worker sh -c '"$0" -addr 127.0.0.1:0 -rate 30 -delay 1s; sleep 60' "$4" &
            in_cgroup "$3" "$5" run --policy "$6" --spool "$7" --pod &
            wait
            """;
        await using var sidecar = SidecarProcess.From(ChildProcess.Start(
            "unshare",
            ["--pid", "--fork", "--mount", "--propagation", "unchanged", "--kill-child", "/bin/sh", "-c", SidecarProcess.OwnProc + pod, "pod", api.Path, worker.Path, own.Path, GoLeak.Program, SidecarProcess.Program, ground.Policy, ground.Spool]));

        foreach (var container in (string[])["api", "worker"])
        {
            var capture = await ground.StoredAsync(record => record.Target.Container == container);
            Assert.Equal(CaptureOutcome.OOMKilled, capture.Record.Outcome);
            Assert.Equal("near-limit", capture.Record.Trigger.Name);
            Assert.True(capture.Artifact("Heap").IsComplete, capture.Artifact("Heap").Error);
            Assert.Equal(container == "api" ? 128 * MiB : 96 * MiB, capture.Record.Memory.LimitBytes);
            Assert.Contains($"/{container}/", capture.Folder);
        }
        // The sidecar itself, and the shell that stands for the sandbox, are in no target's cgroup.
        Assert.DoesNotContain(sidecar.Events(200), line => line["Container"] is "premortem-sideca" or "premortem-sidecar");
    }
}
