using System.Text.Json;
using Premortem.Profiles.Flame;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Report;

/// <summary>
/// A profile's stacks as the page's script draws them: the functions that were reached, each after its caller. Small shares are left
/// out, so that it stays small whatever the profile is.
/// </summary>
public sealed class ReportFlame
{
    private const int MostNodes = 2500;
    private const double LeastShare = 0.0003;
    private const int LongestName = 300;
    private const int ShortName = 40;

    // Of all names together: one may have a megabyte of them.
    private const int MostText = 100_000;

    private readonly FlameGraph _graph;
    private readonly List<(int Node, int Depth)> _kept = [];

    private ReportFlame(string title, FlameGraph graph)
    {
        (Title, _graph) = (title, graph);
        var nodes = graph.Nodes;
        var sizes = new List<long>(nodes.Length);
        for (var i = 1; i < nodes.Length; i++)
            sizes.Add(Size(nodes[i]));
        var least = Math.Max(1, (long)(Size(nodes[0]) * LeastShare));
        if (sizes.Count > MostNodes)
        {
            sizes.Sort();
            least = Math.Max(least, sizes[^MostNodes]);
        }
        // A stack, not recursion, and the largest first: where many are of one size, the limit leaves the rest out.
        var waiting = new Stack<(int Node, int Depth)>([(0, 0)]);
        var callees = new List<int>();
        while (waiting.TryPop(out var next) && _kept.Count <= MostNodes)
        {
            _kept.Add(next);
            callees.Clear();
            for (var callee = nodes[next.Node].FirstCallee; callee >= 0; callee = nodes[callee].NextSibling)
                if (Size(nodes[callee]) >= least)
                    callees.Add(callee);
            callees.Sort((left, right) => Size(_graph.Nodes[left]).CompareTo(Size(_graph.Nodes[right])) is not 0 and var order ? order : left.CompareTo(right));
            foreach (var callee in callees)
                waiting.Push((callee, next.Depth + 1));
        }
    }

    /// <summary>What it is of: <c>heap: inuse_space</c>.</summary>
    public string Title { get; }

    /// <summary>The flame graph of one sample type; null: it has no samples.</summary>
    /// <param name="only">The functions that are looked at: stacks are followed from the outermost frame to the first that is none of them. Null: all.</param>
    public static ReportFlame? Of(string title, PprofProfile profile, TopOptions? options = null, IReadOnlySet<string>? only = null)
    {
        ArgumentNullException.ThrowIfNull(profile);
        var graph = FlameGraph.Of(profile, options, only);
        return graph.Nodes.Length > 1 ? new ReportFlame(title, graph) : null;
    }

    private static long Size(in FlameNode node) => Math.Max(Magnitude(node.Value), Magnitude(node.Before));

    // The one number that has no opposite is as large as any.
    private static long Magnitude(long value) => value == long.MinValue ? long.MaxValue : Math.Abs(value);

    internal void Write(Utf8JsonWriter json)
    {
        var numbers = new Dictionary<int, int>();
        var names = new List<string>();
        var text = 0;
        json.WriteStartObject();
        json.WriteString("title", Html.Visible(Title, LongestName));
        json.WriteString("unit", Html.Visible(_graph.Unit, ShortName));
        Column("f", node =>
        {
            if (numbers.TryGetValue(_graph.Nodes[node.Node].Name, out var known))
                return known;
            var name = Html.Visible(_graph.NameOf(_graph.Nodes[node.Node]), text < MostText ? LongestName : ShortName);
            text += name.Length;
            names.Add(name);
            return numbers[_graph.Nodes[node.Node].Name] = names.Count - 1;
        });
        Column("d", node => node.Depth);
        Column("v", node => _graph.Nodes[node.Node].Value);
        if (_graph.IsDifference)
            Column("b", node => _graph.Nodes[node.Node].Before);
        json.WriteStartArray("names");
        foreach (var name in names)
            json.WriteStringValue(name);
        json.WriteEndArray();
        json.WriteEndObject();

        void Column(string key, Func<(int Node, int Depth), long> value)
        {
            json.WriteStartArray(key);
            foreach (var node in _kept)
                json.WriteNumberValue(value(node));
            json.WriteEndArray();
        }
    }
}
