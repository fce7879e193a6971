namespace Premortem.Profiles.Report;

/// <summary>What has grown between two profiles of one target.</summary>
/// <param name="Table">The later profile less the earlier one.</param>
/// <param name="Since">When the earlier one was taken.</param>
/// <param name="Until">When the later one was taken.</param>
/// <param name="Base">The earlier one's file.</param>
/// <param name="File">The later one's file.</param>
public sealed record ReportGrowth(TopTable Table, DateTimeOffset Since, DateTimeOffset Until, string Base, string File);
