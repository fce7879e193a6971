using Premortem.Contracts;

namespace Premortem.Sidecar.Targets;

/// <summary>How a life of a target ended, and how that is known.</summary>
internal sealed record TargetEnd(DateTimeOffset At, CaptureOutcome Outcome, string Reason, ExitStatus? Status)
{
    /// <summary>An end that somebody should hear of: a kill or a crash, not an orderly exit or one that cannot be told from it.</summary>
    public bool IsCrash => Outcome == CaptureOutcome.OOMKilled || Status is { IsClean: false } and not { Signal: SigTerm or SigInt };

    private const int SigInt = 2;
    private const int SigAbort = 6;
    private const int SigTerm = 15;

    /// <param name="oomKillsBefore">The cgroup's counter while the process lived; null: there is none to read.</param>
    /// <param name="oomKillsNow">The same after it died.</param>
    /// <param name="status">How the kernel says that it ended; null: it does not say.</param>
    /// <param name="usedShare">The last working set as a share of the limit; null: no limit.</param>
    /// <param name="grownShare">The same with the growth from then until now; null: as it was.</param>
    /// <param name="oomKillsSeen">The counter in the last sample.</param>
    public static TargetEnd Judge(
        DateTimeOffset at, long? oomKillsBefore, long? oomKillsNow, ExitStatus? status, double? usedShare, double? grownShare = null, long? oomKillsSeen = null)
    {
        const double atTheLimit = 0.95, nearTheCeiling = 0.9;
        // A sample of a process that is being killed has the counter risen and memory falling already; then the cgroup may be gone before the process is seen to be.
        if (oomKillsNow is null && oomKillsSeen > oomKillsBefore)
            oomKillsNow = oomKillsSeen;
        if (oomKillsNow > oomKillsBefore && status is null or { Signal: ExitStatus.SigKill })
            return new TargetEnd(at, CaptureOutcome.OOMKilled, $"the cgroup's oom_kill counter went from {oomKillsBefore} to {oomKillsNow}", status);
        var ended = status?.ToString() ?? "the process ended; the kernel does not say how";
        if (oomKillsNow is null && usedShare >= atTheLimit && status is null or { Signal: ExitStatus.SigKill })
            return new TargetEnd(at, CaptureOutcome.OOMKilled, $"{ended}, with memory at {usedShare:P0} of the limit; no OOM counter can be read", status);
        // A container's cgroup goes with it: what a busy machine lets the sidecar see last may be well below the limit.
        if (oomKillsNow is null && grownShare >= 1 && status is { Signal: ExitStatus.SigKill })
            return new TargetEnd(at, CaptureOutcome.OOMKilled, $"{ended}, with memory at {usedShare:P0} of the limit and growing to meet it; no OOM counter can be read", status);
        // A .NET runtime that can give no more memory aborts, as does a C library.
        if (status is { Signal: SigAbort } && usedShare >= nearTheCeiling)
            ended += $", with memory at {usedShare:P0} of its ceiling: it was out of memory";
        return new TargetEnd(at, CaptureOutcome.Exited, ended, status);
    }
}
