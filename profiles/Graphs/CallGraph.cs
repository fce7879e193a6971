using System.Globalization;
using System.Text;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Graphs;

/// <summary>Who calls whom, and how much is held or spent by way of each call: the rows of a top table, with arrows between them.</summary>
public sealed class CallGraph
{
    /// <summary>More than these no eye follows, and their layout takes long. DOT has no such bounds.</summary>
    internal const int MostNodesDrawn = 250;
    internal const int MostEdgesDrawn = 1000;

    private readonly TopTable _top;

    internal CallGraph(TopTable top, List<CallGraphEdge> edges, string title) => (_top, Edges, Title) = (top, edges, title);

    public string Title { get; }

    public IReadOnlyList<TopRow> Nodes => _top.Rows;

    /// <summary>The heaviest first.</summary>
    public IReadOnlyList<CallGraphEdge> Edges { get; }

    internal IReadOnlyList<string> Header => _top.Header;

    /// <exception cref="ArgumentException">An option does not fit the profile, or cannot be read.</exception>
    public static CallGraph Of(PprofProfile profile, TopOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(profile);
        options ??= new TopOptions();
        return new TopBuilder(options.Apply(profile), options).BuildGraph();
    }

    /// <summary>The top table of a profile, and the call graph of its first rows.</summary>
    public static (TopTable Table, CallGraph Graph) WithTable(PprofProfile profile, int nodes)
    {
        ArgumentNullException.ThrowIfNull(profile);
        return new TopBuilder(profile, new TopOptions()).BuildWithGraph(nodes);
    }

    /// <summary>
    /// Leaves those bridges out whose caller reaches the callee by other arrows as well: they hide more than they tell. One that is heavier than a
    /// direct call of the same function stays.
    /// </summary>
    /// <param name="edges">The heaviest first.</param>
    internal static List<CallGraphEdge> WithoutRedundant(List<CallGraphEdge> edges, int nodes)
    {
        var callers = new List<CallGraphEdge>[nodes];
        foreach (var edge in edges)
            (callers[edge.Callee] ??= []).Add(edge);
        var removed = new HashSet<(int, int)>();
        for (var callee = nodes - 1; callee >= 0; callee--)
            for (var i = callers[callee]?.Count - 1 ?? -1; i >= 0 && callers[callee][i] is { IsBridge: true } bridge; i--)
                if (IsReachedOtherwise(bridge))
                {
                    callers[callee].RemoveAt(i);
                    removed.Add((bridge.Caller, callee));
                }
        return removed.Count == 0 ? edges : edges.FindAll(edge => !removed.Contains((edge.Caller, edge.Callee)));

        bool IsReachedOtherwise(CallGraphEdge bridge)
        {
            var seen = new bool[nodes];
            var waiting = new Stack<int>([bridge.Callee]);
            while (waiting.TryPop(out var node))
                foreach (var edge in callers[node] ?? [])
                    if (edge != bridge && !seen[edge.Caller])
                    {
                        if (edge.Caller == bridge.Caller)
                            return true;
                        seen[edge.Caller] = true;
                        waiting.Push(edge.Caller);
                    }
            return false;
        }
    }

    /// <summary>Writes it in the language of Graphviz.</summary>
    public void WriteDot(TextWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write($"digraph {Quoted(Title)} {{\n");
        writer.Write("node [shape=box style=filled fillcolor=\"#f8f8f8\" fontname=\"sans-serif\"]\nedge [fontname=\"sans-serif\" fontsize=10]\n");
        writer.Write($"legend [shape=note fontsize=12 label={Quoted(string.Join('\n', Header), "\\l")}]\n");
        for (var i = 0; i < Nodes.Count; i++)
        {
            var row = Nodes[i];
            writer.Write(string.Create(
                CultureInfo.InvariantCulture,
                $"N{i + 1} [label={Quoted(string.Join('\n', Label(row)))} fontsize={FontSize(row):0} fillcolor=\"{Fill(row)}\" tooltip={Quoted(Tooltip(row))}]\n"));
        }
        foreach (var edge in Edges)
            writer.Write(string.Create(
                CultureInfo.InvariantCulture,
                $"N{edge.Caller + 1} -> N{edge.Callee + 1} [label={Quoted(EdgeLabel(edge))} penwidth={Stroke(edge):0.#} color=\"{Colour(edge)}\"{(edge.IsBridge ? " style=dotted" : "")} tooltip={Quoted(Tooltip(edge))}]\n"));
        writer.Write("}\n");
    }

    /// <summary>Draws it as one SVG file, without Graphviz; of the rows the first <see cref="MostNodesDrawn"/>.</summary>
    public void WriteSvg(TextWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        new CallGraphSvg(this, writer).Write();
    }

    /// <summary>The same as a part of a page.</summary>
    internal void WriteEmbedded(TextWriter writer) => new CallGraphSvg(this, writer).WriteEmbedded();

    /// <summary>What stands in a node: its name, what it holds itself, and what with all that it calls.</summary>
    internal IReadOnlyList<string> Label(TopRow row)
    {
        var flat = row.Flat == 0 ? "0" : $"{_top.Format(row.Flat)} ({_top.Percentage(row.Flat)})";
        return row.Cum == row.Flat ? [Short(row.Name), flat] : [Short(row.Name), flat, $"of {_top.Format(row.Cum)} ({_top.Percentage(row.Cum)})"];
    }

    internal string Tooltip(TopRow row) => $"{TopTable.Printable(row.Name)}: flat {_top.Format(row.Flat)}, cum {_top.Format(row.Cum)}";

    internal string Tooltip(CallGraphEdge edge) =>
        $"{TopTable.Printable(Nodes[edge.Caller].Name)} -> {TopTable.Printable(Nodes[edge.Callee].Name)}: {_top.Format(edge.Weight)}{(edge.IsInlined ? ", inlined" : "")}{(edge.IsBridge ? ", by way of others" : "")}";

    internal string EdgeLabel(CallGraphEdge edge) => _top.Format(edge.Weight) + (edge.IsInlined ? " (inline)" : "");

    internal static double FontSize(TopRow row) => 10 + (14 * Math.Sqrt(Share(row.FlatPercent)));

    internal static string Fill(TopRow row) => Mixed(Share(row.CumPercent), row.Cum < 0 ? (0xb9, 0xd5, 0xf5) : (0xf5, 0xc4, 0xb9));

    internal double Stroke(CallGraphEdge edge) => 1 + (5 * Share(PercentOf(edge)));

    internal string Colour(CallGraphEdge edge) => edge.Weight < 0 ? "#2c5f9e" : Share(PercentOf(edge)) >= 0.2 ? "#b2341a" : "#777777";

    private double PercentOf(CallGraphEdge edge) => _top.Total == 0 ? 0 : edge.Weight * 100.0 / _top.Total;

    private static double Share(double percent) => Math.Clamp(Math.Abs(percent) / 100, 0, 1);

    private static string Mixed(double share, (int Red, int Green, int Blue) full)
    {
        const int none = 0xf4;
        return string.Create(CultureInfo.InvariantCulture, $"#{Mix(full.Red):x2}{Mix(full.Green):x2}{Mix(full.Blue):x2}");

        int Mix(int to) => (int)(none + ((to - none) * share));
    }

    /// <summary>A name without its beginning where it is long: its end tells more.</summary>
    private static string Short(string name)
    {
        const int most = 60;
        var printable = TopTable.Printable(name);
        if (printable.Length <= most)
            return printable;
        var start = printable.Length - most + 1;
        return "…" + printable[(char.IsLowSurrogate(printable[start]) ? start + 1 : start)..];
    }

    private static string Quoted(string text, string endOfLine = "\\n")
    {
        var quoted = new StringBuilder("\"");
        foreach (var line in text.Split('\n'))
        {
            if (quoted.Length > 1)
                quoted.Append(endOfLine);
            quoted.Append(TopTable.Printable(line).Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal));
        }
        return quoted.Append(endOfLine == "\\l" ? "\\l\"" : "\"").ToString();
    }
}
