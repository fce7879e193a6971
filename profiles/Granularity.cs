namespace Premortem.Profiles;

/// <summary>What becomes one row.</summary>
public enum Granularity
{
    /// <summary>All functions of one name.</summary>
    Functions,

    /// <summary>A function of one file.</summary>
    FileFunctions,

    /// <summary>A source file.</summary>
    Files,

    /// <summary>A line of a source file.</summary>
    Lines,

    /// <summary>An address in the code.</summary>
    Addresses,
}
