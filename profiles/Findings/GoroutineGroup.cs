namespace Premortem.Profiles.Findings;

/// <summary>Goroutines that stand at the same place.</summary>
/// <param name="Count">How many.</param>
/// <param name="Where">The innermost function that is not the runtime's own.</param>
/// <param name="Stack">The functions, the innermost first; at most <see cref="GoroutineGroups.MostFrames"/>.</param>
public sealed record GoroutineGroup(long Count, string Where, IReadOnlyList<string> Stack);
