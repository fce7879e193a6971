using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>What a top table shows. The defaults are pprof's.</summary>
public sealed record TopOptions
{
    /// <summary>Order by what a function and its callees hold, not by what it holds itself.</summary>
    public bool Cumulative { get; init; }

    /// <summary>A sample type's name or number; null: the profile's default.</summary>
    public string? SampleIndex { get; init; }

    /// <summary>What is subtracted; null: nothing. Rows may then be negative.</summary>
    public PprofProfile? Base { get; init; }

    /// <summary>Whether shares are of the total of <see cref="Base"/>, as with pprof's <c>-diff_base</c>, and not of what is left.</summary>
    public bool SharesOfBase { get; init; }

    /// <summary>How many rows at most; 0: as many as there are.</summary>
    public int NodeCount { get; init; }

    /// <summary>Functions whose cum is below this share of the total are left out.</summary>
    public double NodeFraction { get; init; } = 0.005;

    /// <summary>Calls below this share of the total are not looked at when a row is marked as inlined.</summary>
    public double EdgeFraction { get; init; } = 0.001;

    /// <summary>Which samples and frames are looked at. Shares are of all samples nevertheless, unless <see cref="RelativePercentages"/>.</summary>
    public StackFilters Filters { get; init; } = StackFilters.None;

    /// <summary>Whether shares are of the samples that the filters leave.</summary>
    public bool RelativePercentages { get; init; }

    /// <summary>What becomes one row.</summary>
    public Granularity Granularity { get; init; }

    /// <summary>What inlined functions hold is charged to the function that they were put into.</summary>
    public bool NoInlines { get; init; }

    /// <summary>The unit of all values; <c>auto</c>: to each its own; null: one that fits all.</summary>
    public string? Unit { get; init; }

    /// <summary>Beginnings of source paths that are left away, with colons between them.</summary>
    public string TrimPath { get; init; } = "";

    /// <summary>Leave out what has become less.</summary>
    public bool DropNegative { get; init; }

    /// <summary>Scale the profile to the total of <see cref="Base"/> before that is subtracted.</summary>
    public bool Normalize { get; init; }

    /// <summary>The unit to begin with: <see cref="Units.Auto"/> where it is yet to be found.</summary>
    internal string UnitOrAuto => Unit is null or "" or "minimum" ? Units.Auto : Unit;

    /// <summary>Whether the unit is one that the report finds for all its values.</summary>
    internal bool FindsUnit => Unit is null or "" or "minimum";

    /// <summary>The profile less its base, if there is one.</summary>
    internal PprofProfile Apply(PprofProfile profile) =>
        Base is { } subtracted ? ProfileMerge.Difference(profile, subtracted, SharesOfBase, Normalize) : profile;
}
