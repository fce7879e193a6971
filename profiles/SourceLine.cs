namespace Premortem.Profiles;

/// <summary>A line of a function, and what it holds or spends, in the sample type's own unit.</summary>
/// <param name="File">Empty: not known.</param>
/// <param name="Line">0: not known.</param>
public sealed record SourceLine(string Function, string File, int Line, long Flat, long Cum);
