namespace Premortem.Sidecar.Targets;

/// <summary>The parts of <c>/proc/PID/stat</c> that are used.</summary>
/// <param name="StartTicks">When it started, in clock ticks since boot: with the PID it names a process for good.</param>
/// <param name="ExitStatus">As <c>wait</c> would give it; zero to whoever may not know.</param>
internal sealed record ProcessStat(string Name, char State, long ParentPid, long StartTicks, long ResidentBytes, int ExitStatus)
{
    /// <summary>What all its threads have spent, in user and in system mode, to a hundredth of a second.</summary>
    public TimeSpan CpuTime { get; init; }

    /// <summary>Whether it is on its way out, or a zombie.</summary>
    public bool IsExiting { get; init; }
}
