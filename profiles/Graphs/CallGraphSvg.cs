using System.Globalization;
using System.Text;
using Premortem.Profiles.Report;

namespace Premortem.Profiles.Graphs;

/// <summary>The picture of a call graph. It has no style and no script, so that it may stand in a page that forbids both.</summary>
internal sealed class CallGraphSvg(CallGraph graph, TextWriter writer)
{
    private const double Margin = 16;
    private const double Padding = 8;
    private const double LineHeight = 1.25;
    private const double CharacterWidth = 0.6;
    private const double HeaderSize = 12;
    private const double ArrowLength = 8;

    /// <summary>As a file.</summary>
    internal void Write() => Write($" xmlns=\"{Html.SvgNamespace}\"", graph.Header);

    /// <summary>As a part of a page, which says itself what it is of.</summary>
    internal void WriteEmbedded() => Write("", []);

    private void Write(string attribute, IReadOnlyList<string> lines)
    {
        var count = Math.Min(graph.Nodes.Count, CallGraph.MostNodesDrawn);
        var sizes = graph.Nodes.Take(count).Select(SizeOf).ToList();
        // What calls itself is told by the table; an arrow to itself says little.
        var edges = graph.Edges.Where(edge => edge.Caller != edge.Callee && edge.Caller < count && edge.Callee < count).Take(CallGraph.MostEdgesDrawn).ToList();
        var layout = new LayeredLayout(sizes, [.. edges.Select(edge => (edge.Caller, edge.Callee))]);
        var header = lines.Select(TopTable.Printable).ToList();
        if (count < graph.Nodes.Count)
            header.Add(string.Create(CultureInfo.InvariantCulture, $"Drawn are the first {count} of {graph.Nodes.Count} nodes"));
        var top = header.Count == 0 ? Margin : Margin + (header.Count * HeaderSize * 1.4) + Margin;
        var width = Math.Max(layout.Width, header.Select(line => line.Length).DefaultIfEmpty().Max() * HeaderSize * CharacterWidth) + (2 * Margin);
        var title = Html.Encode(graph.Title);
        Put($"<svg{attribute} viewBox=\"0 0 {width:0} {top + layout.Height + Margin:0}\" width=\"{width:0}\" height=\"{top + layout.Height + Margin:0}\" role=\"img\" aria-label=\"Call graph of {title}\" font-family=\"ui-monospace,Menlo,Consolas,monospace\">\n");
        Put($"<title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
        for (var i = 0; i < header.Count; i++)
            Put($"<text x=\"{Margin:0}\" y=\"{Margin + ((i + 0.8) * HeaderSize * 1.4):0.#}\" font-size=\"{HeaderSize:0}\" fill=\"#333333\">{Html.Encode(header[i])}</text>\n");
        Put($"<g transform=\"translate({Margin:0} {top:0.#})\">\n");
        // The light ones first: what is heavy is drawn over them.
        for (var i = edges.Count - 1; i >= 0; i--)
            WriteEdge(edges[i], layout.Paths[i], sizes);
        for (var i = 0; i < count; i++)
            WriteNode(graph.Nodes[i], layout.Centres[i], sizes[i]);
        writer.Write("</g>\n</svg>\n");
    }

    private (double Width, double Height) SizeOf(TopRow row)
    {
        var (label, size) = (graph.Label(row), CallGraph.FontSize(row));
        return ((label.Max(line => line.Length) * size * CharacterWidth) + (2 * Padding), (label.Count * size * LineHeight) + (2 * Padding));
    }

    private void WriteNode(TopRow row, (double X, double Y) centre, (double Width, double Height) box)
    {
        var size = CallGraph.FontSize(row);
        Put($"<g><title>{Html.Encode(graph.Tooltip(row))}</title><rect x=\"{centre.X - (box.Width / 2):0.#}\" y=\"{centre.Y - (box.Height / 2):0.#}\" width=\"{box.Width:0.#}\" height=\"{box.Height:0.#}\" rx=\"4\" fill=\"{CallGraph.Fill(row)}\" stroke=\"#555555\"/>");
        var y = centre.Y - (box.Height / 2) + Padding;
        foreach (var line in graph.Label(row))
        {
            Put($"<text x=\"{centre.X:0.#}\" y=\"{y + size:0.#}\" font-size=\"{size:0.#}\" text-anchor=\"middle\" fill=\"#111111\">{Html.Encode(line)}</text>");
            y += size * LineHeight;
        }
        writer.Write("</g>\n");
    }

    private void WriteEdge(CallGraphEdge edge, (double X, double Y)[] path, List<(double Width, double Height)> sizes)
    {
        // A turned edge goes up, from the caller's upper side to the callee's lower one.
        var direction = Math.Sign(path[^1].Y - path[0].Y);
        path[0].Y += direction * sizes[edge.Caller].Height / 2;
        path[^1].Y -= direction * sizes[edge.Callee].Height / 2;
        var tip = path[^1];
        path[^1].Y -= direction * ArrowLength;
        var curve = new StringBuilder();
        curve.Append(CultureInfo.InvariantCulture, $"M{path[0].X:0.#} {path[0].Y:0.#}");
        for (var i = 1; i < path.Length; i++)
        {
            var middle = (path[i - 1].Y + path[i].Y) / 2;
            curve.Append(CultureInfo.InvariantCulture, $"C{path[i - 1].X:0.#} {middle:0.#} {path[i].X:0.#} {middle:0.#} {path[i].X:0.#} {path[i].Y:0.#}");
        }
        var (colour, stroke) = (graph.Colour(edge), graph.Stroke(edge));
        var half = 3 + (stroke / 2);
        Put($"<g><title>{Html.Encode(graph.Tooltip(edge))}</title><path d=\"{curve}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{stroke:0.#}\"{Dashes(edge)}/>");
        Put($"<path d=\"M{tip.X:0.#} {tip.Y:0.#}L{tip.X - half:0.#} {path[^1].Y:0.#}L{tip.X + half:0.#} {path[^1].Y:0.#}Z\" fill=\"{colour}\"/>");
        // Beside the callee's end, where edges of one caller have parted.
        var (x, y) = path.Length > 2 ? path[^2] : ((path[0].X + path[^1].X) / 2, (path[0].Y + path[^1].Y) / 2);
        Put($"<text x=\"{x + 4 + (stroke / 2):0.#}\" y=\"{y + 3:0.#}\" font-size=\"9\" fill=\"#333333\">{Html.Encode(graph.EdgeLabel(edge))}</text></g>\n");
    }

    private static string Dashes(CallGraphEdge edge) => edge switch
    {
        { IsBridge: true } => " stroke-dasharray=\"2 3\"",
        { IsInlined: true } => " stroke-dasharray=\"6 3\"",
        _ => "",
    };

    private void Put(FormattableString text) => writer.Write(text.ToString(CultureInfo.InvariantCulture));
}
