using System.Xml.Linq;
using Premortem.Profiles.Graphs;
using Premortem.Profiles.Pprof;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Graphs;

public sealed class CallGraphTests
{
    private readonly PprofEncoder _encoder = PprofEncoder.Heap();

    [Fact]
    public void Arrows_carry_what_is_held_by_way_of_the_call()
    {
        var (leaf, left, right, main) = (_encoder.At("leaf"), _encoder.At("left"), _encoder.At("right"), _encoder.At("main"));
        _encoder.Sample([leaf, left, main], 1, 30 << 20).Sample([leaf, right, main], 1, 10 << 20).Sample([right, main], 1, 1 << 20);

        var graph = Graph();

        Assert.Equal(
            [("left", "leaf", 30L << 20), ("main", "left", 30L << 20), ("main", "right", 11L << 20), ("right", "leaf", 10L << 20)],
            graph.Edges.Select(edge => (graph.Nodes[edge.Caller].Name, graph.Nodes[edge.Callee].Name, edge.Weight)).OrderBy(edge => edge.Item1).ThenBy(edge => edge.Item2));
        Assert.True(graph.Edges.Zip(graph.Edges.Skip(1)).All(pair => pair.First.Weight >= pair.Second.Weight));
    }

    [Fact]
    public void What_is_left_out_is_bridged()
    {
        var (leaf, small, main) = (_encoder.At("leaf"), _encoder.At("between"), _encoder.At("main"));
        _encoder.Sample([leaf, small, main], 1, 100);

        var graph = Graph(new TopOptions { Filters = new StackFilters { Hide = "between" } });

        Assert.Equal([("main", "leaf")], graph.Edges.Select(edge => (graph.Nodes[edge.Caller].Name, graph.Nodes[edge.Callee].Name)));
    }

    [Fact]
    public void The_trees_calls_are_its_arrows()
    {
        var profile = PprofProfile.ReadFile(Repository.Path("tests", "Profiles.Tests", "testdata", "heap.pb.gz"));
        var options = new TopOptions { NodeCount = 30 };

        var graph = CallGraph.Of(profile, options);

        var rows = graph.Nodes.Select(node => node.Name).ToHashSet();
        var ofTree = TreeTable.Of(profile, options).Rows.SelectMany(row => row.Callees.Select(call => (row.Row.Name, call.Name, call.Weight))).Where(call => rows.Contains(call.Item2) && call.Weight != 0);
        Assert.NotEmpty(graph.Edges);
        Assert.Equal(ofTree.Order(), graph.Edges.Select(edge => (graph.Nodes[edge.Caller].Name, graph.Nodes[edge.Callee].Name, edge.Weight)).Order());
    }

    [Theory]
    [InlineData("heap.pb.gz", 5)]
    [InlineData("cpu.pb.gz", 12)]
    [InlineData("cpu.pb.gz", 1000)]
    public void The_graph_beside_a_table_is_the_one_of_so_many_nodes(string file, int nodes)
    {
        var profile = PprofProfile.ReadFile(Repository.Path("tests", "Profiles.Tests", "testdata", file));

        var (table, graph) = CallGraph.WithTable(profile, nodes);

        Assert.Equal(TopTable.Of(profile).Rows, table.Rows);
        var alone = CallGraph.Of(profile, new TopOptions { NodeCount = nodes });
        Assert.Equal(alone.Nodes.Select(node => (node.Name, node.Flat, node.Cum)), graph.Nodes.Select(node => (node.Name, node.Flat, node.Cum)));
        Assert.NotEmpty(graph.Edges);
        Assert.Equal(alone.Edges, graph.Edges);
    }

    [Fact]
    public void Its_picture_has_each_node_and_each_arrow_and_names_stay_names()
    {
        const string evil = "</text><script>alert(1)</script>&\"'\u0001";
        var (leaf, main) = (_encoder.At(evil), _encoder.At("main"));
        _encoder.Sample([leaf, main, leaf, main], 1, 100);

        var svg = Write(Graph().WriteSvg);

        var drawn = XDocument.Parse(svg);
        Assert.Equal(2, drawn.Descendants().Count(element => element.Name.LocalName == "rect") - 1);
        Assert.Equal(["svg", "title", "rect", "text", "g", "path"], drawn.Descendants().Select(element => element.Name.LocalName).Distinct());
        // Of a cycle both ways are there, one of them turned.
        Assert.Equal(2, drawn.Descendants().Count(element => element.Attribute("stroke-width") is not null));
    }

    [Fact]
    public void Dot_quotes_what_would_end_a_name()
    {
        _encoder.Sample([_encoder.At("a\"]; evil [label=\"\\"), _encoder.At("main")], 1, 100);

        var dot = Write(Graph().WriteDot);

        Assert.Contains("""a\"]; evil [label=\"\\\n""", dot, StringComparison.Ordinal);
        Assert.Contains("N2 -> N1 [label=\"100B\"", dot, StringComparison.Ordinal);
        Assert.DoesNotContain("\nevil", dot, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_profile_has_a_picture_too() => Assert.Equal("svg", XDocument.Parse(Write(Graph().WriteSvg)).Root!.Name.LocalName);

    private static string Write(Action<TextWriter> write)
    {
        using var writer = new StringWriter();
        write(writer);
        return writer.ToString();
    }

    private CallGraph Graph(TopOptions? options = null) => CallGraph.Of(PprofProfile.Read(new MemoryStream(_encoder.ToArray())), options);
}
