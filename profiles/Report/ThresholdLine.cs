namespace Premortem.Profiles.Report;

/// <summary>A height of memory at which something fires.</summary>
/// <param name="Label">What it is called: <c>near-limit: 85%</c>.</param>
/// <param name="Bytes">How high it is.</param>
public sealed record ThresholdLine(string Label, long Bytes);
