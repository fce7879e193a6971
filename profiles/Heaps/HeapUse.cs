namespace Premortem.Profiles.Heaps;

/// <summary>How much memory a garbage-collected heap takes, as its runtime says.</summary>
public sealed record HeapUse
{
    /// <summary>When that was so.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>What the heap has taken of the system and not given back, free space and its own books included: what a hard limit is held against.</summary>
    public required long CommittedBytes { get; init; }

    /// <summary>How much may be allocated until the next collection; null: not known.</summary>
    public required long? BudgetBytes { get; init; }
}
