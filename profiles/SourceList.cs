using System.Globalization;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>Functions line by line, with their source where it can be read, as <c>go tool pprof -list</c> has them.</summary>
public sealed class SourceList
{
    // Lines before the first and behind the last that has something.
    private const int Margin = 5;

    private readonly string _unit;
    private readonly string _outputUnit;
    private readonly long _total;

    internal SourceList(IReadOnlyList<SourceLine> lines, long total, string unit, string outputUnit) =>
        (Lines, _total, _unit, _outputUnit) = (lines, total, unit, outputUnit);

    /// <summary>All lines of the functions that were asked for.</summary>
    public IReadOnlyList<SourceLine> Lines { get; }

    /// <param name="expression">Which functions.</param>
    /// <exception cref="ArgumentException">An option does not fit the profile, or cannot be read.</exception>
    public static SourceList Of(PprofProfile profile, string expression, TopOptions? options = null)
    {
        var all = (options ?? new TopOptions()) with { NodeCount = 0, NodeFraction = 0, EdgeFraction = 0, Granularity = Granularity.Lines };
        return new TopBuilder(all.Apply(profile), all).BuildSource(Expression.Of("list", expression)!);
    }

    public void Write(TextWriter writer, SourceFiles sources)
    {
        writer.Write($"Total: {Format(_total)}\n");
        foreach (var function in Lines.GroupBy(line => line.Function).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            var files = function.Where(line => line.File.Length > 0).GroupBy(line => sources.Shown(line.File)).OrderBy(group => group.Key, StringComparer.Ordinal).ToList();
            if (files.Count == 0)
                writer.Write($"No source information for {TopTable.Printable(function.Key)}\n");
            foreach (var file in files)
                WriteFile(writer, function.Key, file.Key, [.. file], sources);
        }
    }

    private void WriteFile(TextWriter writer, string function, string file, List<SourceLine> lines, SourceFiles sources)
    {
        var (flat, cum) = (lines.Sum(line => line.Flat), lines.Sum(line => line.Cum));
        writer.Write($"ROUTINE ======================== {TopTable.Printable(function)} in {TopTable.Printable(file)}\n");
        Write(Format(flat), Format(cum));
        writer.Write($" (flat, cum) {Units.Percentage(cum, _total)} of Total\n");
        var found = sources.Find(file);
        if (found.Lines is null)
        {
            writer.Write($" Error: {TopTable.Printable(found.Problem)}\n");
            // pprof ends here; the lines are in the profile.
            foreach (var line in lines.OrderBy(line => line.Line))
                WriteLine(line.Line, line.Flat, line.Cum, "");
            return;
        }
        var byLine = lines.ToLookup(line => line.Line);
        for (var number = Math.Max(1, lines.Min(line => line.Line) - Margin); number <= Math.Min(found.Lines.Count, (long)lines.Max(line => line.Line) + Margin); number++)
            WriteLine(number, byLine[number].Sum(line => line.Flat), byLine[number].Sum(line => line.Cum), found.Lines[number - 1]);

        void WriteLine(int number, long ownFlat, long ownCum, string text)
        {
            Write(ownFlat == 0 ? "." : Format(ownFlat), ownCum == 0 ? "." : Format(ownCum));
            writer.Write(string.Create(CultureInfo.InvariantCulture, $" {number,6}:{string.Join('\t', text.Split('\t').Select(TopTable.Printable))}\n"));
        }

        void Write(string left, string right)
        {
            TopTable.PadLeft(writer, left);
            writer.Write(' ');
            TopTable.PadLeft(writer, right);
        }
    }

    private string Format(long value) => Units.Format(value, _unit, _outputUnit);
}
