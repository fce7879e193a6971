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
}
