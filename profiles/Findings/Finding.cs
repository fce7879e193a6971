namespace Premortem.Profiles.Findings;

/// <summary>What the figures of a capture say, in words.</summary>
/// <param name="Kind">The rule that it was made by; docs/reference/report.md has each.</param>
/// <param name="Sentence">What was found, with its figures.</param>
/// <param name="Evidence">Where one can see for oneself: the file and the figure in it.</param>
public sealed record Finding(FindingKind Kind, string Sentence, string Evidence);
