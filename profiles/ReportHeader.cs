using System.Globalization;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>The lines above every report: what the profile is, and which of it is looked at.</summary>
internal static class ReportHeader
{
    // More of a filter's text is not told.
    private const int LongestFilter = 80;

    internal static IEnumerable<string> Of(PprofProfile profile, SampleType type, long total, Func<long, string> format)
    {
        if (profile.Mappings is [var main, ..])
        {
            var file = Place.FileOf(main);
            if (file.Length > 0)
                yield return "File: " + TopTable.BaseName(file);
            if (main.BuildId.Length > 0)
                yield return "Build ID: " + main.BuildId;
        }
        foreach (var comment in profile.Comments.Where(comment => !comment.StartsWith('#')))
            yield return comment;
        if (type.Type.Length > 0)
            yield return "Type: " + type.Type;
        if (profile.DocUrl.Length > 0)
            yield return "Doc: " + profile.DocUrl;
        if (profile.Time is { } time)
            yield return string.Create(CultureInfo.InvariantCulture, $"Time: {time:yyyy-MM-dd HH:mm:ss} UTC");
        if (profile.DurationNanos != 0)
        {
            var (nanoseconds, unit) = Units.Scale(total, type.Unit, "nanoseconds");
            var share = unit == "ns" && nanoseconds != 0 ? $"({Units.Percentage((long)nanoseconds, profile.DurationNanos)})" : "";
            yield return $"Duration: {Units.Format(profile.DurationNanos, "nanoseconds", Units.Auto)}, Total samples = {format(total)} {share}";
        }
    }

    /// <summary>What a picture is called: its binary and its sample type.</summary>
    internal static string Title(PprofProfile profile, SampleType type) =>
        (profile.Mappings is [var main, ..] && Place.FileOf(main) is { Length: > 0 } path ? TopTable.BaseName(path) + ", " : "") + type.Type;

    internal static IEnumerable<string> Filters(StackFilters filters)
    {
        var isFirst = true;
        foreach (var filter in filters.Told())
        {
            if (isFirst)
                yield return "Active filters:";
            isFirst = false;
            yield return "   " + (filter.Length > LongestFilter ? filter[..LongestFilter] + "…" : filter);
        }
    }
}
