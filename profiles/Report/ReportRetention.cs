using Premortem.Profiles.Heaps;

namespace Premortem.Profiles.Report;

/// <summary>What holds a .NET heap.</summary>
/// <param name="Types">Those that retain most, with the paths by which their objects are held.</param>
/// <param name="Roots">What is reached from each root first, the one with most bytes first.</param>
/// <param name="Bytes">The whole heap.</param>
/// <param name="IsPartial">Only a part of it was seen.</param>
/// <param name="File">The file that it is from.</param>
public sealed record ReportRetention(IReadOnlyList<RetainedType> Types, IReadOnlyList<KeyValuePair<string, long>> Roots, long Bytes, bool IsPartial, string File);
