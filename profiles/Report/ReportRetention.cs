using Premortem.Profiles.Heaps;

namespace Premortem.Profiles.Report;

/// <summary>What holds a .NET heap.</summary>
/// <param name="Types">Those that retain most, with the paths by which their objects are held.</param>
/// <param name="Roots">What is reached from each root first, the one with most bytes first: each object counts once.</param>
/// <param name="IsPartial">Only a part of it was seen.</param>
/// <param name="File">The file that it is from.</param>
public sealed record ReportRetention(IReadOnlyList<RetainedType> Types, IReadOnlyList<KeyValuePair<string, long>> Roots, bool IsPartial, string File)
{
    /// <summary>The whole heap.</summary>
    public long Bytes { get; } = Roots.Sum(root => root.Value);
}
