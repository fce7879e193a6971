namespace Premortem.Profiles.Findings;

/// <summary>The rules that findings are made by.</summary>
public enum FindingKind
{
    /// <summary>One function or type holds much of the live heap.</summary>
    Holder,

    /// <summary>Much of a .NET heap hangs on one root.</summary>
    Root,

    /// <summary>What is live after each collection only rises.</summary>
    Leak,

    /// <summary>Much is allocated, and as much is let go.</summary>
    Churn,

    /// <summary>One function or type has most of what has grown.</summary>
    Growth,

    /// <summary>Goroutines pile up.</summary>
    Goroutines,

    /// <summary>Memory that the kernel uses for files and would give back.</summary>
    PageCache,

    /// <summary>Native memory, which no table of the heap tells of.</summary>
    OutsideHeap,

    /// <summary>Memory that is much more than what the heap profile has.</summary>
    BesideLiveHeap,
}
