namespace Premortem.Profiles.Heaps;

/// <summary>A type table as <c>types.json</c> has it: docs/reference/types-json.md.</summary>
internal sealed record TypesDocument
{
    public const string SchemaVersion = "premortem.dev/types/v1";

    public string? Schema { get; init; } = SchemaVersion;

    public required string Measure { get; init; }

    public required long Objects { get; init; }

    public required long Bytes { get; init; }

    public bool IsPartial { get; init; }

    public required IReadOnlyList<TypeRow> Types { get; init; }

    /// <summary>What the types hold that are not listed.</summary>
    public RestOfTypes? Rest { get; init; }
}
