using Premortem.Profiles.Heaps;

namespace Premortem.Profiles.Report;

/// <summary>Which types have grown between two looks at one managed heap.</summary>
/// <param name="Changes">The later table less the earlier one, the largest growth first.</param>
/// <param name="IsAtLeast">Whether only a part of the later heap was seen, so that there may be more.</param>
/// <param name="Since">When the earlier one was taken.</param>
/// <param name="Until">When the later one was taken.</param>
/// <param name="Base">The earlier one's file.</param>
/// <param name="File">The later one's file.</param>
public sealed record ReportTypeGrowth(IReadOnlyList<TypeDifference> Changes, bool IsAtLeast, DateTimeOffset Since, DateTimeOffset Until, string Base, string File);
