namespace Premortem.Profiles.Report;

/// <summary>A target's memory at one moment.</summary>
/// <param name="At">When.</param>
/// <param name="WorkingSetBytes">Usage less inactive file: what triggers measure.</param>
/// <param name="UsageBytes">All that the cgroup is charged for.</param>
/// <param name="LimitBytes">The container's limit; null: none.</param>
/// <param name="CeilingBytes">The lower of the limit and the runtime's own; null: none.</param>
public sealed record MemoryPoint(DateTimeOffset At, long WorkingSetBytes, long UsageBytes, long? LimitBytes, long? CeilingBytes)
{
    /// <summary>What is left when every cache is dropped; null: not known.</summary>
    public long? UnreclaimableBytes { get; init; }

    /// <summary>.NET: what the last collection left; null: not known.</summary>
    public long? HeapAfterGcBytes { get; init; }

    /// <summary>.NET: what is held beside the heap; null: not known.</summary>
    public long? OutsideHeapBytes { get; init; }
}
