namespace Premortem.Profiles;

/// <summary>Whether the compiler put a function into its callers.</summary>
public enum Inlining
{
    None,

    /// <summary>Into some of them.</summary>
    Partial,

    /// <summary>Into all of them.</summary>
    Full,
}
