namespace Premortem.Profiles.Heaps;

/// <summary>The types that hold a managed heap, largest first.</summary>
public sealed record TypeTable
{
    /// <summary>How many rows are kept, where nobody asks for more or fewer.</summary>
    public const int MaxRows = 1000;

    /// <summary>The <see cref="Measure"/> of a heap.</summary>
    public const string LiveObjects = "live objects";

    /// <summary>What was counted, in words: <c>live objects</c>, <c>allocations of 5 s</c>.</summary>
    public required string Measure { get; init; }

    /// <summary>All objects that were seen, also those of types that are not among the rows.</summary>
    public required long Objects { get; init; }

    /// <summary>What all of them hold.</summary>
    public required long Bytes { get; init; }

    public required IReadOnlyList<TypeRow> Rows { get; init; }

    /// <summary>Whether only a part of the heap was seen.</summary>
    public bool IsPartial { get; init; }
}
