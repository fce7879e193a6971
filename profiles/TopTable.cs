using System.Globalization;
using System.Text;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>The functions that hold or spend most, as <c>go tool pprof -top</c> has them.</summary>
public sealed class TopTable
{
    private readonly string _outputUnit;

    internal TopTable(PprofProfile profile, TopOptions options, int sampleIndex, long total, List<TopRow> rows, Trimming trimming, string outputUnit)
    {
        SampleType = profile.SampleTypes[sampleIndex];
        (Total, Rows, Trimmed, _outputUnit) = (total, rows, trimming, outputUnit);
        Header = [.. ReportHeader.Of(profile, SampleType, total, Format), .. ReportHeader.Filters(options.Filters), .. Shown()];
    }

    public SampleType SampleType { get; }

    /// <summary>The sum of all samples' values without sign, in the unit of <see cref="SampleType"/>.</summary>
    public long Total { get; }

    public IReadOnlyList<TopRow> Rows { get; }

    /// <summary>The lines above the table.</summary>
    public IReadOnlyList<string> Header { get; }

    /// <summary>How many functions are not among the rows, and why.</summary>
    public Trimming Trimmed { get; }

    /// <exception cref="ArgumentException">The profile does not have the sample type asked for, or measures something else than the base.</exception>
    public static TopTable Of(PprofProfile profile, TopOptions? options = null) =>
        new TopBuilder((options ?? new TopOptions()).Apply(profile), options ?? new TopOptions()).Build();

    /// <summary>A value with the unit that this table is shown in: <c>217.60MB</c>.</summary>
    public string Format(long value) => Units.Format(value, SampleType.Unit, _outputUnit);

    /// <summary>A value as a share of the total: <c>95.63%</c>.</summary>
    public string Percentage(long value) => Units.Percentage(value, Total).TrimStart();

    /// <summary>Writes header and rows as pprof does. Control characters in names are shown as <c>\x1b</c>, to spare the terminal.</summary>
    public void Write(TextWriter writer)
    {
        foreach (var line in Header)
            writer.Write(Printable(line) + "\n");
        writer.Write("      flat  flat%   sum%        cum   cum%\n");
        foreach (var row in Rows)
        {
            PadLeft(writer, Format(row.Flat));
            writer.Write(' ');
            writer.Write(Units.Percentage(row.Flat, Total));
            writer.Write(' ');
            writer.Write(Units.Percentage(row.Sum, Total));
            writer.Write(' ');
            PadLeft(writer, Format(row.Cum));
            writer.Write(' ');
            writer.Write(Units.Percentage(row.Cum, Total));
            writer.Write("  ");
            writer.Write(Printable(row.Name));
            writer.Write(row.Inlining switch { Inlining.Full => " (inline)", Inlining.Partial => " (partial-inline)", _ => "" });
            writer.Write('\n');
        }
    }

    /// <summary>The last part of a path.</summary>
    internal static string BaseName(string path)
    {
        var trimmed = path.TrimEnd('/');
        return trimmed.Length == 0 ? "/" : trimmed[(trimmed.LastIndexOf('/') + 1)..];
    }

    internal static void PadLeft(TextWriter writer, string text, int width = 10)
    {
        // Units may be anything; what is counted is characters, not halves of them.
        for (var i = text.EnumerateRunes().Count(); i < width; i++)
            writer.Write(' ');
        writer.Write(text);
    }

    /// <summary>A text with its control characters spelled out, to spare the terminal.</summary>
    internal static string Printable(string text)
    {
        if (!text.Any(char.IsControl))
            return text;
        var printable = new StringBuilder();
        foreach (var c in text)
            _ = char.IsControl(c) ? printable.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}") : printable.Append(c);
        return printable.ToString();
    }

    private List<string> Shown()
    {
        var lines = new List<string>();
        var shown = Rows is [.., var last] ? last.Sum : 0;
        lines.Add($"Showing nodes accounting for {Format(shown)}, {Percentage(shown)} of {Format(Total)} total");
        if (Total == 0)
            return lines;
        if (Trimmed.Dropped > 0)
            lines.Add(string.Create(
                CultureInfo.InvariantCulture, $"Dropped {Trimmed.Dropped} node{(Trimmed.Dropped > 1 ? "s" : "")} (cum <= {Format(Trimmed.Cutoff)})"));
        if (Rows.Count > 0 && Rows.Count < Trimmed.Remaining)
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"Showing top {Rows.Count} nodes out of {Trimmed.Remaining}"));
        return lines;
    }
}
