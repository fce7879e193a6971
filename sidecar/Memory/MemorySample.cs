namespace Premortem.Sidecar.Memory;

/// <summary>A reading with its time. Rules use <see cref="Elapsed"/>, which no change of the wall clock moves.</summary>
/// <param name="At">Wall-clock time, for people and files.</param>
/// <param name="Elapsed">Monotonic time since the sidecar started.</param>
/// <param name="CeilingBytes">The lower of the container's limit and the runtime's own; null: there is none.</param>
internal readonly record struct MemorySample(DateTimeOffset At, TimeSpan Elapsed, MemoryReading Reading, long? CeilingBytes)
{
    /// <summary>What the last garbage collection left in the heap, where the runtime says so for nothing; null: not known.</summary>
    public long? HeapAfterGcBytes { get; init; }

    /// <summary>What a process holds beside its heap, at least, where the runtime says what the heap takes; null: not known.</summary>
    public long? OutsideHeapBytes { get; init; }
}
