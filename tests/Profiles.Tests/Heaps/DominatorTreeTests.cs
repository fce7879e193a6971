using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Profiles.Heaps;
using Xunit;

namespace Premortem.Profiles.Tests.Heaps;

public sealed class DominatorTreeTests
{
    [Property(MaxTest = 1000)]
    public Property Dominators_are_those_that_taking_nodes_out_one_by_one_finds() => Prop.ForAll(Graphs().ToArbitrary(), sample =>
    {
        var graph = Build(sample.Edges, sample.Roots);
        var dominators = DominatorTree.Of(graph).ToArray(graph);
        var reached = Reached(graph, without: -1);
        var lost = Enumerable.Range(0, graph.Nodes).Select(node => node == graph.Top ? new bool[graph.Nodes] : Reached(graph, node)).ToArray();
        for (var node = 0; node < graph.Nodes; node++)
        {
            var all = Enumerable.Range(0, graph.Nodes).Where(other => reached[node] && other != node && !lost[other][node]).ToHashSet();
            Assert.Equal(all, Chain(dominators, node).ToHashSet());
        }
    });

    [Property(MaxTest = 300)]
    public Property What_a_type_retains_is_what_cannot_be_reached_without_its_objects() => Prop.ForAll(Graphs().ToArbitrary(), sample =>
    {
        var graph = Build(sample.Edges, sample.Roots);
        var retained = graph.Retained();
        // Each object's own subtree, and of a type the union of them.
        var dominators = DominatorTree.Of(graph).ToArray(graph);
        for (var type = 0; type < graph.TypeNames.Length; type++)
        {
            var held = Enumerable.Range(0, graph.Objects)
                .Where(node => graph.TypeOf[node] == type || Chain(dominators, node).Any(above => above < graph.Objects && graph.TypeOf[above] == type))
                .Sum(graph.BytesOf);
            Assert.Equal(held, retained[type]);
        }
    });

    private static IEnumerable<int> Chain(int[] dominators, int node)
    {
        for (var at = dominators[node]; at >= 0; at = dominators[at])
            yield return at;
    }

    private static bool[] Reached(HeapGraph graph, int without)
    {
        var reached = new bool[graph.Nodes];
        var left = new Stack<int>([graph.Top]);
        reached[graph.Top] = true;
        while (left.TryPop(out var node))
            for (var at = graph.Starts[node]; at < graph.Starts[node + 1]; at++)
                if (graph.References[at] is var target && target != without && !reached[target])
                {
                    reached[target] = true;
                    left.Push(target);
                }
        return reached;
    }

    private static HeapGraph Build(int[][] edges, int[] roots)
    {
        var builder = new HeapGraphBuilder();
        for (var i = 0; i < edges.Length; i++)
        {
            builder.Name((ulong)(i % 4), $"T{i % 4}");
            builder.Add(Address(i), (ulong)(1 << (i % 20)), builder.TypeOf((ulong)(i % 4)), (ulong)edges[i].Length);
            foreach (var target in edges[i])
                builder.AddReference(Address(target));
        }
        foreach (var root in roots)
            builder.AddRoot(root % 2 == 0 ? HeapRootKind.Static : HeapRootKind.Stack, Address(root), root % 2 == 0 ? $"s_{root}" : null);
        return builder.Build(isPartial: false);
    }

    private static ulong Address(int number) => 0x1000 + (ulong)number * 24;

    private static Gen<(int[][] Edges, int[] Roots)> Graphs() =>
        from count in Gen.Choose(1, 24)
        from edges in Gen.Choose(0, count - 1).ListOf().Select(list => list.Take(4).ToArray()).ArrayOf(count)
        from roots in Gen.Choose(0, count - 1).ArrayOf(2)
        select (edges, roots);
}
