namespace Premortem.Profiles.Heaps;

/// <summary>What one collection left of the heap.</summary>
public sealed record GcStats
{
    /// <summary>When it had ended.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Counts the collections of the process, from 1; null where its start was not seen, as with one that was under way.</summary>
    public required long? Number { get; init; }

    /// <summary>The oldest generation that it collected, 0 to 2; null where its start was not seen.</summary>
    public required int? Generation { get; init; }

    public required GcReason? Reason { get; init; }

    /// <summary>Whether the program ran on while it worked.</summary>
    public required bool IsBackground { get; init; }

    /// <summary>The heap by generation, in bytes: 0, 1, 2, large objects, pinned objects.</summary>
    public required IReadOnlyList<long> GenerationBytes { get; init; }

    /// <summary>From its start to its end; null where its start was not seen.</summary>
    public required TimeSpan? Duration { get; init; }

    /// <summary>How long the program stood still, from the request to stop until it ran again; null for a background collection.</summary>
    public required TimeSpan? Pause { get; init; }

    public long HeapBytes => GenerationBytes.Sum();
}
