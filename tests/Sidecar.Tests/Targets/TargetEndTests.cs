using Premortem.Contracts;
using Premortem.Sidecar.Targets;
using Xunit;

namespace Premortem.Sidecar.Tests.Targets;

public sealed class TargetEndTests
{
    [Theory]
    // Counter before and after, signal, code, share of the limit → outcome, a crash?
    [InlineData(0L, 1L, 9, null, 0.99, CaptureOutcome.OOMKilled, true)]
    [InlineData(0L, 1L, null, null, 0.10, CaptureOutcome.OOMKilled, true)]
    [InlineData(3L, 5L, 9, null, null, CaptureOutcome.OOMKilled, true)]
    [InlineData(0L, 1L, null, 0, 0.99, CaptureOutcome.Exited, false)]
    [InlineData(0L, 1L, 11, null, 0.99, CaptureOutcome.Exited, true)]
    [InlineData(0L, 0L, 9, null, 0.99, CaptureOutcome.Exited, true)]
    [InlineData(5L, 0L, 9, null, 0.99, CaptureOutcome.Exited, true)]
    [InlineData(0L, 0L, null, null, 0.99, CaptureOutcome.Exited, false)]
    [InlineData(null, null, 9, null, 0.96, CaptureOutcome.OOMKilled, true)]
    [InlineData(null, null, null, null, 0.96, CaptureOutcome.OOMKilled, true)]
    [InlineData(null, null, 9, null, 0.94, CaptureOutcome.Exited, true)]
    [InlineData(null, null, 9, null, null, CaptureOutcome.Exited, true)]
    [InlineData(null, null, null, 0, 0.99, CaptureOutcome.Exited, false)]
    [InlineData(null, null, 15, null, 0.99, CaptureOutcome.Exited, false)]
    [InlineData(0L, 0L, 2, null, 0.5, CaptureOutcome.Exited, false)]
    [InlineData(0L, 0L, 6, null, 0.5, CaptureOutcome.Exited, true)]
    [InlineData(0L, 0L, null, 2, 0.5, CaptureOutcome.Exited, true)]
    [InlineData(0L, null, 9, null, 0.97, CaptureOutcome.OOMKilled, true)]
    public void The_end_is_judged(long? before, long? after, int? signal, int? code, double? share, CaptureOutcome outcome, bool isCrash)
    {
        var status = signal is null && code is null ? (ExitStatus?)null : new ExitStatus(code, signal);
        var end = TargetEnd.Judge(DateTimeOffset.UnixEpoch, before, after, status, share);
        Assert.Equal((outcome, isCrash), (end.Outcome, end.IsCrash));
        Assert.NotEmpty(end.Reason);
    }

    [Fact]
    public void Growth_tells_where_the_last_sample_was_too_early()
    {
        var killed = new ExitStatus(null, 9);
        Assert.Equal(
            (CaptureOutcome.OOMKilled, "killed by signal 9, with memory at 82 % of the limit and growing to meet it; no OOM counter can be read"),
            (TargetEnd.Judge(default, 0, null, killed, 0.82, 1.1).Outcome, TargetEnd.Judge(default, 0, null, killed, 0.82, 1.1).Reason));
        Assert.Equal(CaptureOutcome.Exited, TargetEnd.Judge(default, 0, null, killed, 0.82, 0.99).Outcome);
        Assert.Equal(CaptureOutcome.Exited, TargetEnd.Judge(default, 0, 0, killed, 0.82, 1.1).Outcome);
        Assert.Equal(CaptureOutcome.Exited, TargetEnd.Judge(default, 0, null, new ExitStatus(null, 15), 0.82, 1.1).Outcome);
    }

    [Fact]
    public void A_kill_that_the_last_sample_counted_is_known_though_the_cgroup_is_gone()
    {
        var killed = new ExitStatus(null, 9);
        var end = TargetEnd.Judge(default, 0, null, killed, 0.4, 0.41, oomKillsSeen: 1);
        Assert.Equal((CaptureOutcome.OOMKilled, "the cgroup's oom_kill counter went from 0 to 1"), (end.Outcome, end.Reason));
        Assert.Equal(CaptureOutcome.Exited, TargetEnd.Judge(default, 1, null, killed, 0.4, 0.41, oomKillsSeen: 1).Outcome);
        Assert.Equal(CaptureOutcome.Exited, TargetEnd.Judge(default, 0, null, new ExitStatus(1, null), 0.4, 0.41, oomKillsSeen: 1).Outcome);
        Assert.Equal(CaptureOutcome.OOMKilled, TargetEnd.Judge(default, 1, null, killed, 0.97, null, oomKillsSeen: 1).Outcome);
    }

    [Fact]
    public void The_reason_tells_how_it_is_known()
    {
        Assert.Equal("the cgroup's oom_kill counter went from 0 to 1", TargetEnd.Judge(default, 0, 1, new ExitStatus(null, 9), 0.9).Reason);
        Assert.Equal("killed by signal 9, with memory at 97 % of the limit; no OOM counter can be read", TargetEnd.Judge(default, null, null, new ExitStatus(null, 9), 0.97).Reason);
        Assert.Equal("killed by signal 6, with memory at 99 % of its ceiling: it was out of memory", TargetEnd.Judge(default, 0, 0, new ExitStatus(null, 6), 0.99).Reason);
        Assert.Equal("killed by signal 6", TargetEnd.Judge(default, 0, 0, new ExitStatus(null, 6), 0.5).Reason);
        Assert.Equal("exited with code 3", TargetEnd.Judge(default, 0, 0, new ExitStatus(3, null), 0.9).Reason);
        Assert.Equal("the process ended; the kernel does not say how", TargetEnd.Judge(default, 0, 0, null, 0.9).Reason);
    }
}
