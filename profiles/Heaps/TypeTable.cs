namespace Premortem.Profiles.Heaps;

/// <summary>The types that hold a managed heap, largest first.</summary>
public sealed record TypeTable
{
    /// <summary>How many rows are kept, where nobody asks for more or fewer.</summary>
    public const int MaxRows = 1000;

    /// <summary>The <see cref="Measure"/> of a heap.</summary>
    public const string LiveObjects = "live objects";

    /// <summary>The <see cref="Measure"/> of a dump, which no collection came before.</summary>
    public const string AllObjects = "objects, those that wait for the next collection among them";

    /// <summary>Whether it says what holds a heap, rather than what was allocated.</summary>
    internal bool IsOfHeap => Measure is LiveObjects or AllObjects;

    /// <summary>What shares are of, in a sentence.</summary>
    internal string Whole => this switch
    {
        { IsOfHeap: false } => Measure,
        { IsPartial: true } => "the part of the heap that was seen",
        { Measure: AllObjects } => "the heap, garbage included,",
        _ => "live heap",
    };

    /// <summary>What was counted, in words: <c>live objects</c>, <c>allocations of 5 s</c>.</summary>
    public required string Measure { get; init; }

    /// <summary>All objects that were seen, also those of types that are not among the rows.</summary>
    public required long Objects { get; init; }

    /// <summary>What all of them hold.</summary>
    public required long Bytes { get; init; }

    public required IReadOnlyList<TypeRow> Rows { get; init; }

    /// <summary>Whether only a part of the heap was seen.</summary>
    public bool IsPartial { get; init; }

    /// <summary>
    /// What has changed since another table was made, the largest growth first. Types of one name are one; a type that is in one of the
    /// tables alone counts in full. Nothing where the two were counted in different ways. Of a heap that was seen in part there is at
    /// least what was counted: against a whole one, what is more is certain, and what is less means nothing and is left out.
    /// </summary>
    public IReadOnlyList<TypeDifference> Since(TypeTable before)
    {
        if (before.Measure != Measure || (before.IsPartial && !IsPartial))
            return [];
        var isAtLeast = IsPartial && !before.IsPartial;
        var changes = new Dictionary<string, (long Objects, long Bytes)>(StringComparer.Ordinal);
        foreach (var row in Rows)
            Add(row.Name, row.Objects, row.Bytes);
        foreach (var row in before.Rows)
            Add(row.Name, -row.Objects, -row.Bytes);
        return [.. changes
            .Where(change => change.Value != default && (!isAtLeast || change.Value.Bytes > 0))
            .Select(change => new TypeDifference(change.Key, change.Value.Objects, change.Value.Bytes))
            .OrderByDescending(change => change.Bytes)
            .ThenByDescending(change => change.Objects)
            .ThenBy(change => change.Name, StringComparer.Ordinal)];

        void Add(string name, long objects, long bytes)
        {
            var (o, b) = changes.GetValueOrDefault(name);
            changes[name] = unchecked((o + objects, b + bytes));
        }
    }
}
