namespace Premortem.Profiles;

/// <summary>What was left out of a top table.</summary>
/// <param name="Dropped">How many functions were left out because they are small.</param>
/// <param name="Cutoff">The cum at or below which a function is small.</param>
/// <param name="Remaining">How many functions were left then, of which the table shows the first.</param>
public sealed record Trimming(int Dropped, long Cutoff, int Remaining);
