namespace Premortem.Profiles;

/// <summary>One function of a top table. Values are in the sample type's own unit, shares in percent of the total, with sign.</summary>
/// <param name="Name">The function's name; <c>[file]</c> where only the binary is known, <c>&lt;unknown&gt;</c> where nothing is.</param>
/// <param name="Flat">What it holds, or spends, itself.</param>
/// <param name="Sum">The flat of this row and of all above it.</param>
/// <param name="Cum">What it and all that it calls hold; recursion counts once.</param>
/// <param name="FlatPercent">The share of <paramref name="Flat"/>.</param>
/// <param name="SumPercent">The share of <paramref name="Sum"/>.</param>
/// <param name="CumPercent">The share of <paramref name="Cum"/>.</param>
/// <param name="Inlining">Whether it is inlined into its callers.</param>
public sealed record TopRow(
    string Name,
    long Flat,
    long Sum,
    long Cum,
    double FlatPercent,
    double SumPercent,
    double CumPercent,
    Inlining Inlining);
