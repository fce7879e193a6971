namespace Premortem.Profiles.GoGc;

/// <summary>
/// One collection of Go's, as <c>GODEBUG=gctrace=1</c> tells it (package runtime's documentation has the format). Heaps are in bytes, which
/// Go rounds to MiB.
/// </summary>
/// <param name="Number">Counts a process's collections from 1.</param>
/// <param name="At">Since the process began.</param>
/// <param name="GcPercent">Of all CPU time since the process began, in collections; a whole number.</param>
/// <param name="HeapBefore">When it began.</param>
/// <param name="HeapAfter">When marking ended.</param>
/// <param name="LiveHeap">What was reached: the floor of the sawtooth.</param>
/// <param name="Goal">What the heap was to grow to before it.</param>
/// <param name="Stacks">Scannable stacks; null: Go before 1.18, which does not tell.</param>
/// <param name="Globals">Scannable globals; null: as for stacks.</param>
/// <param name="Forced">By <c>runtime.GC</c>, or as none had come for two minutes.</param>
public sealed record GcCycle(
    long Number,
    TimeSpan At,
    int GcPercent,
    GcTimes Wall,
    GcCpu Cpu,
    long HeapBefore,
    long HeapAfter,
    long LiveHeap,
    long Goal,
    long? Stacks,
    long? Globals,
    int Processors,
    bool Forced)
{
    /// <summary>How long the program stood still.</summary>
    public TimeSpan Pause => Wall.SweepTermination + Wall.WriteBarrier + Wall.MarkTermination;
}

/// <summary>The phases by the clock.</summary>
/// <param name="SweepTermination">The world is stopped.</param>
/// <param name="Mark">Beside the program; with what Go 1.5 and 1.6 call scan.</param>
/// <param name="WriteBarrier">Go 1.5 alone: the world is brought to write barriers.</param>
/// <param name="MarkTermination">The world is stopped.</param>
public sealed record GcTimes(TimeSpan SweepTermination, TimeSpan Mark, TimeSpan WriteBarrier, TimeSpan MarkTermination);

/// <summary>CPU time of the phases, over all processors.</summary>
/// <param name="Assist">Of goroutines that had to help, since they allocated: it slows them.</param>
/// <param name="Background">Of the collector's own workers.</param>
/// <param name="Idle">Of processors that had nothing else to do.</param>
public sealed record GcCpu(TimeSpan SweepTermination, TimeSpan Assist, TimeSpan Background, TimeSpan Idle, TimeSpan MarkTermination)
{
    public TimeSpan Total => SweepTermination + Assist + Background + Idle + MarkTermination;
}
