using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>Functions among their callers and callees, as <c>go tool pprof -tree</c> and <c>-peek</c> have them.</summary>
public sealed class TreeTable
{
    private const string Separator = "----------------------------------------------------------+-------------";

    // Its end is pprof's, so that the two can be compared with diff.
    private const string Legend = "      flat  flat%   sum%        cum   cum%   calls calls% + context \t \t ";

    // The deepest column that the text has.
    private const int CallColumn = 50;

    private readonly TopTable _top;

    internal TreeTable(TopTable top, List<TreeRow> rows) => (_top, Rows) = (top, rows);

    public IReadOnlyList<TreeRow> Rows { get; }

    public IReadOnlyList<string> Header => _top.Header;

    /// <exception cref="ArgumentException">An option does not fit the profile, or cannot be read.</exception>
    public static TreeTable Of(PprofProfile profile, TopOptions? options = null) =>
        new TopBuilder((options ?? new TopOptions()).Apply(profile), options ?? new TopOptions()).BuildTree(peek: null);

    /// <summary>The functions whose row's name an expression finds, and nothing left out around them.</summary>
    /// <inheritdoc cref="Of"/>
    public static TreeTable Peek(PprofProfile profile, string expression, TopOptions? options = null)
    {
        var all = (options ?? new TopOptions()) with { NodeCount = 0, NodeFraction = 0, EdgeFraction = 0 };
        return new TopBuilder(all.Apply(profile), all).BuildTree(Expression.Of("peek", expression));
    }

    public void Write(TextWriter writer)
    {
        foreach (var line in Header)
            writer.Write(TopTable.Printable(line) + "\n");
        writer.Write(Separator + "\n" + Legend + "\n");
        var sum = 0L;
        foreach (var (row, callers, callees) in Rows)
        {
            writer.Write(Separator + "\n");
            WriteCalls(writer, callers, row.Cum);
            sum = unchecked(sum + row.Flat);
            TopTable.PadLeft(writer, _top.Format(row.Flat));
            writer.Write($" {Units.Percentage(row.Flat, _top.Total)} {Units.Percentage(sum, _top.Total)} ");
            TopTable.PadLeft(writer, _top.Format(row.Cum));
            writer.Write($" {Units.Percentage(row.Cum, _top.Total)}                | {TopTable.Printable(row.Name)}\n");
            WriteCalls(writer, callees, row.Cum);
        }
        if (_top.Rows.Count > 0)
            writer.Write(Separator + "\n");
    }

    private void WriteCalls(TextWriter writer, IReadOnlyList<TreeCall> calls, long cum)
    {
        foreach (var call in calls)
        {
            TopTable.PadLeft(writer, _top.Format(call.Weight), CallColumn);
            writer.Write($" {Units.Percentage(call.Weight, cum)} |   {TopTable.Printable(call.Name)}{(call.IsInlined ? " (inline)" : "")}\n");
        }
    }
}
