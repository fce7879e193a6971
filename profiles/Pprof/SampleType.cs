namespace Premortem.Profiles.Pprof;

/// <summary>What one of a sample's values measures.</summary>
/// <param name="Type">For instance <c>inuse_space</c>.</param>
/// <param name="Unit">For instance <c>bytes</c>.</param>
public sealed record SampleType(string Type, string Unit);
