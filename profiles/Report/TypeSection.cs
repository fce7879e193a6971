using System.Globalization;
using Premortem.Contracts;
using Premortem.Profiles.Heaps;

namespace Premortem.Profiles.Report;

/// <summary>The types of a managed heap on the report page.</summary>
internal static class TypeSection
{
    private const int MaxRows = 30;

    // Below this no type is the culprit, and naming one would mislead.
    private const double WorthNaming = 10;

    internal static string Headline(TypeTable types, TypeRow largest)
    {
        var (whole, verb) = (types.Whole, types.IsOfHeap ? "held by" : "of");
        var share = string.Create(CultureInfo.InvariantCulture, $"{Share(largest.Bytes, types.Bytes):0.#}");
        return Share(largest.Bytes, types.Bytes) < WorthNaming
            ? $"No type stands out: the largest share of {whole}, {share} %, is {verb} {largest.Name}"
            : $"{share} % of {whole} is {verb} {largest.Name}";
    }

    internal static void Write(TextWriter writer, TypeTable types, ReportData data)
    {
        writer.Write($"<section>\n<h2>{(types.IsOfHeap ? "Which types hold the managed heap" : "Which types were allocated")}</h2>\n");
        if (data.TypesBaselineAt is { } taken)
            writer.Write(ReportPage.BaselineNote(data.Record.Trigger.At - taken));
        if (types.Rows.Count == 0)
        {
            writer.Write("<p class=\"soft\">No objects were seen.</p>\n</section>\n");
            return;
        }
        writer.Write("<div class=\"wide\"><table class=\"top\">\n<thead><tr><th class=\"n\">bytes</th><th class=\"n\">share</th><th class=\"n sum\">sum</th>");
        writer.Write("<th class=\"n\">objects</th><th class=\"name\">type</th></tr></thead>\n<tbody>\n");
        long sum = 0;
        foreach (var row in types.Rows.Take(MaxRows))
        {
            sum += row.Bytes;
            var share = Share(row.Bytes, types.Bytes);
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"<tr><td class=\"n\" data-v=\"{row.Bytes}\" title=\"{row.Bytes} bytes\">{Quantity.ForPeople(row.Bytes)}</td>"));
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"<td class=\"n share\" data-v=\"{share:0.###}\" style=\"--w:{Math.Clamp(share, 0, 100):0.#}%\">{share:0.#} %</td>"));
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"<td class=\"n sum\">{Share(sum, types.Bytes):0.#} %</td><td class=\"n\">{row.Objects}</td>"));
            writer.Write($"<td class=\"name\">{Html.Encode(row.Name)}</td></tr>\n");
        }
        writer.Write("</tbody>\n</table></div>\n");
        var part = types.IsPartial ? " Only a part of the heap was seen." : "";
        writer.Write(string.Create(
            CultureInfo.InvariantCulture,
            $"<p class=\"note\">{Html.Encode(types.Measure)}: {types.Objects} objects, {Quantity.ForPeople(types.Bytes)} in all.{part} More in {Html.FileLink(data.TypesFile)}.</p>\n</section>\n"));
    }

    internal static void WriteGrowth(TextWriter writer, ReportTypeGrowth growth)
    {
        var grown = growth.Changes.Where(change => change.Bytes > 0).ToList();
        var shrunk = growth.Changes.Where(change => change.Bytes < 0).ToList();
        writer.Write($"<section>\n<h2>Growth since the baseline, in {ReportPage.Took(growth.Until - growth.Since)}</h2>\n");
        if (grown.Count == 0)
        {
            writer.Write("<p class=\"soft\">Nothing has grown.</p>\n");
        }
        else
        {
            writer.Write("<div class=\"wide\"><table>\n<thead><tr><th class=\"n\">bytes</th><th class=\"n\">objects</th><th class=\"name\">type</th></tr></thead>\n<tbody>\n");
            foreach (var change in grown.Take(MaxRows))
            {
                writer.Write(string.Create(CultureInfo.InvariantCulture, $"<tr><td class=\"n\" title=\"{change.Bytes} bytes\">+{Quantity.ForPeople(change.Bytes)}</td>"));
                writer.Write(string.Create(CultureInfo.InvariantCulture, $"<td class=\"n\">{(change.Objects > 0 ? "+" : "")}{change.Objects}</td><td class=\"name\">{Html.Encode(change.Name)}</td></tr>\n"));
            }
            writer.Write("</tbody>\n</table></div>\n");
        }
        writer.Write($"<p class=\"note\">{Html.Encode(TypeTable.LiveObjects)} of {Html.FileLink(growth.File)} less those of {Html.FileLink(growth.Base)}.");
        if (growth.IsAtLeast)
            writer.Write(" Only a part of the later heap was seen: each has grown by so much at least.");
        if (shrunk.Count > 0)
            writer.Write(string.Create(CultureInfo.InvariantCulture, $" {shrunk.Count} type{(shrunk.Count == 1 ? " holds" : "s hold")} less than before."));
        writer.Write("</p>\n</section>\n");
    }

    private static double Share(long bytes, long of) => of > 0 ? bytes * 100.0 / of : 0;
}
