using System.Globalization;
using Premortem.Contracts;
using Premortem.Profiles.Heaps;

namespace Premortem.Profiles.Report;

/// <summary>What holds a .NET heap, on the report page: it can be read without the script.</summary>
internal static class RetentionSection
{
    // A list of lists of a program may be as long as it likes: both ends are shown.
    private const int MostSteps = 24;
    private const int LongestName = 300;

    internal static void Write(TextWriter writer, ReportRetention retention)
    {
        if (retention.Types.Count == 0)
            return;
        writer.Write("<section id=\"retention\">\n<h2>What holds the managed heap</h2>\n");
        foreach (var type in retention.Types)
        {
            var retained = type.Retained is { } bytes ? $"{Quantity.ForPeople(bytes)} retained, " : "";
            writer.Write(Invariant($"<details><summary><b class=\"name\">{Html.Encode(type.Name, LongestName)}</b> <span class=\"soft\">{retained}{Quantity.ForPeople(type.Bytes)} in {type.Objects} object{(type.Objects == 1 ? "" : "s")}</span></summary>\n"));
            foreach (var path in type.Paths)
                WritePath(writer, path);
            if (type.Objects - type.Paths.Sum(path => path.Objects) is > 0 and var others)
                writer.Write(Invariant($"<p class=\"note\">{others} more by other paths.</p>"));
            writer.Write("</details>\n");
        }
        var what = retention.IsPartial
            ? "Only a part of the heap was seen: these paths are there, others may be, and what objects retain is not known."
            : "Retained is what would go if all objects of the type went. Paths are the shortest from a root, which comes first.";
        writer.Write($"<p class=\"note\">{what} Of {Html.FileLink(retention.File)}; 'premortem gcroot' says more.</p>\n</section>\n");
    }

    private static void WritePath(TextWriter writer, RetentionPath path)
    {
        writer.Write(Invariant($"<p class=\"soft\">{Quantity.ForPeople(path.Bytes)} in {path.Objects} object{(path.Objects == 1 ? "" : "s")}:</p><ol class=\"stack name\">"));
        var left = path.Steps.Count - MostSteps;
        for (var i = 0; i < path.Steps.Count; i++)
            if (left <= 0 || i < MostSteps / 2 || i >= left + (MostSteps / 2))
                writer.Write($"<li value=\"{i + 1}\">{Html.Encode(path.Steps[i], LongestName)}</li>");
        writer.Write("</ol>\n");
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
