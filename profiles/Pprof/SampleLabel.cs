namespace Premortem.Profiles.Pprof;

/// <summary>A label of a sample.</summary>
/// <param name="Key">Its name.</param>
/// <param name="Text">Its text; null for a number.</param>
/// <param name="Number">Its number; 0 for a text.</param>
/// <param name="Unit">The number's unit; empty: none given.</param>
public sealed record SampleLabel(string Key, string? Text, long Number, string Unit);
