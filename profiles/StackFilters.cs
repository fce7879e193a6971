namespace Premortem.Profiles;

/// <summary>
/// Which samples are looked at, and which of their frames. All are regular expressions that are searched for in a frame's function, file
/// and binary; null: no such filter. They mean what pprof's options of the same names mean.
/// </summary>
public sealed record StackFilters
{
    /// <summary>Nothing is left out.</summary>
    public static StackFilters None { get; } = new();

    /// <summary>Only samples with such a frame.</summary>
    public string? Focus { get; init; }

    /// <summary>No samples with such a frame.</summary>
    public string? Ignore { get; init; }

    /// <summary>Such frames are taken out of their stacks.</summary>
    public string? Hide { get; init; }

    /// <summary>Only such frames stay in their stacks.</summary>
    public string? Show { get; init; }

    /// <summary>Stacks begin at their outermost such frame; samples without one are left out.</summary>
    public string? ShowFrom { get; init; }

    /// <summary>Stacks end at their innermost such function.</summary>
    public string? PruneFrom { get; init; }

    /// <summary>Only samples with such a label: a range of numbers (<c>1kb:64kb</c>) or expressions, of all keys or of one (<c>key=…</c>).</summary>
    public string? TagFocus { get; init; }

    /// <summary>No samples with such a label.</summary>
    public string? TagIgnore { get; init; }

    /// <summary>Only labels with such a key are told.</summary>
    public string? TagShow { get; init; }

    /// <summary>No labels with such a key are told.</summary>
    public string? TagHide { get; init; }

    /// <summary>Those that are set, as a report's header names them.</summary>
    internal IEnumerable<string> Told()
    {
        (string Name, string? Value)[] filters =
        [
            ("focus", Focus), ("ignore", Ignore), ("hide", Hide), ("show", Show), ("show_from", ShowFrom),
            ("tagfocus", TagFocus), ("tagignore", TagIgnore), ("tagshow", TagShow), ("taghide", TagHide),
        ];
        return filters.Where(filter => !string.IsNullOrEmpty(filter.Value)).Select(filter => $"{filter.Name}={filter.Value}");
    }
}
