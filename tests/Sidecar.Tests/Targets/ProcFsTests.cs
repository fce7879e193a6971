using Premortem.Sidecar.Targets;
using Xunit;

namespace Premortem.Sidecar.Tests.Targets;

public sealed class ProcFsTests : IDisposable
{
    private readonly FakeProcTree _proc = new();

    public void Dispose() => _proc.Dispose();

    private ProcFs Proc => new(_proc.Root);

    [Theory]
    [InlineData("app")]
    [InlineData("a (b) c")]
    [InlineData(") R 1 2 (")]
    [InlineData("((")]
    [InlineData("new\nline")]
    [InlineData("")]
    public void Any_name_is_read(string name)
    {
        _proc.Process(7, name, "0::/a", state: 'R', parent: 3);
        Assert.Equal(new ProcessStat(name, 'R', 3, 700, 50L * Environment.SystemPageSize, 0), Proc.Stat(7));
    }

    [Theory]
    [InlineData("")]
    [InlineData("7 app S 1")]
    [InlineData("7 (app")]
    [InlineData("7 )app( S")]
    [InlineData("7 (app) S 1 2 3")]
    public void What_makes_no_sense_is_no_process(string stat)
    {
        _proc.File("proc/7/stat", stat);
        Assert.Null(Proc.Stat(7));
    }

    [Fact]
    public void A_vanished_process_is_null_everywhere()
    {
        var proc = Proc;
        Assert.Null(proc.Stat(7));
        Assert.Null(proc.Executable(7));
        Assert.Null(proc.EnvironmentVariable(7, "X"));
        Assert.Null(proc.Lines(7, "cgroup"));
        Assert.Null(proc.ZombieExit(7));
        Assert.Null(proc.LastPid());
        Assert.Null(proc.AvailableBytes());
    }

    [Theory]
    [InlineData("7 (app) S 1 7 7 0 -1 4194560 0", "SigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\nSigBlk:\t0000000000000100\n", false)]
    [InlineData("7 (app) S 1 7 7 0 -1 4194560 0", "SigPnd:\t0000000000004000\nShdPnd:\t0000000000000200\n", false)]
    [InlineData("7 (app) R 1 7 7 0 -1 4194560 0", "SigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n", true)]
    [InlineData("7 (app) D 1 7 7 0 -1 4194560 0", "SigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n", true)]
    [InlineData("7 (app) R 1 7 7 0 -1 4195588 0", "SigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n", true)]
    [InlineData("7 (app) Z 1 7 7 0 -1 4194560 0", "", true)]
    public void A_process_that_was_killed_is_dying_before_it_is_dead(string stat, string status, bool isDying)
    {
        // 0x4 in the flags: the kernel is taking it down.
        _proc.File("proc/7/stat", stat + string.Concat(Enumerable.Repeat(" 0", 42))).File("proc/7/status", status);
        Assert.Equal(isDying, Proc.IsDying(7));
    }

    [Fact]
    public void A_process_that_lives_is_not_dying_and_one_that_is_gone_is()
    {
        Assert.False(new ProcFs().IsDying(Environment.ProcessId));
        Assert.True(Proc.IsDying(7));
    }

    [Fact]
    public void Processes_are_the_folders_that_are_numbers()
    {
        _proc.Process(7, "a", "0::/a").File("proc/self/stat", "").File("proc/8x/stat", "").File("proc/9", "a file").File("proc/loadavg", "0.1 0.2 0.3 1/100 4711\n");
        Assert.Equal([7], Proc.Pids());
        Assert.Equal(4711, Proc.LastPid());
    }

    [Theory]
    [InlineData("MemTotal: 9 kB\nMemAvailable:    1024 kB\nBuffers: 1 kB\n", 1024 * 1024)]
    [InlineData("MemTotal: 9 kB\n", null)]
    [InlineData("MemAvailable: many kB\n", null)]
    [InlineData("MemAvailable: 12\n", null)]
    public void What_the_machine_can_still_give_is_read(string meminfo, int? bytes)
    {
        _proc.File("proc/meminfo", meminfo);
        Assert.Equal(bytes, Proc.AvailableBytes());
    }

    [Fact]
    public void A_variable_is_found_by_its_whole_name()
    {
        _proc.File("proc/7/environ", "XNAME=0\0NAMES=1\0NAME=a=b\0NAME=2\0");
        Assert.Equal("a=b", Proc.EnvironmentVariable(7, "NAME"));
        Assert.Null(Proc.EnvironmentVariable(7, "AME"));
    }

    [Theory]
    [InlineData(0, "exited with code 0")]
    [InlineData(0x100, "exited with code 1")]
    [InlineData(0xff00, "exited with code 255")]
    [InlineData(9, "killed by signal 9")]
    [InlineData(0x8b, "killed by signal 11")]
    public void A_wait_status_is_read(int status, string text)
    {
        Assert.Equal(text, ExitStatus.FromWait(status).ToString());
        Assert.Equal(status == 0, ExitStatus.FromWait(status).IsClean);
    }

    [Fact]
    public void A_zombie_tells_how_it_ended()
    {
        var rest = string.Join(' ', Enumerable.Range(5, 48).Select(field => field == 52 ? 9 : 0));
        _proc.File("proc/7/stat", $"7 (app) Z 1 {rest}\n").Process(8, "app", "0::/a");
        Assert.Equal(9, Proc.ZombieExit(7)?.Signal);
        Assert.Null(Proc.ZombieExit(8));
    }
}
