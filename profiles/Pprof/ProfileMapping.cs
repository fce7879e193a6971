namespace Premortem.Profiles.Pprof;

/// <summary>A piece of a binary in the process's memory.</summary>
/// <param name="Start">The address where it begins.</param>
/// <param name="Limit">The address behind its end.</param>
/// <param name="Offset">Where in the file it begins.</param>
/// <param name="File">The file's name; empty: not known.</param>
/// <param name="BuildId">What the build calls itself; empty: not known.</param>
/// <param name="HasFunctions">Whether its frames have function names.</param>
public sealed record ProfileMapping(ulong Start, ulong Limit, ulong Offset, string File, string BuildId, bool HasFunctions)
{
    /// <summary>Whether its frames have the names of source files.</summary>
    public bool HasFileNames { get; init; }

    /// <summary>Whether its frames have line numbers.</summary>
    public bool HasLineNumbers { get; init; }

    /// <summary>Whether its frames tell what was inlined into them.</summary>
    public bool HasInlineFrames { get; init; }
}
