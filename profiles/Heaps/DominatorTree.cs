namespace Premortem.Profiles.Heaps;

/// <summary>
/// Which node each node is only reached through: Lengauer and Tarjan, "A fast algorithm for finding dominators in a flowgraph" (1979), the
/// simple form, whose time grows with references × log(objects) for every graph, and no recursion. Nodes go by their number in depth-first
/// order, from 1 for the top.
/// </summary>
internal sealed class DominatorTree
{
    // A pass over all marks of a heap of large arrays costs nothing beside filling the next of them.
    private const int WorthCollecting = 1_000_000;

    private readonly int[] _vertices;
    private readonly int[] _dominators;

    private DominatorTree(int[] vertices, int[] dominators, int count) => (_vertices, _dominators, Count) = (vertices, dominators, count);

    /// <summary>The nodes that can be reached, and are numbered.</summary>
    public int Count { get; }

    public static DominatorTree Of(HeapGraph graph)
    {
        var (vertices, parents, starts, sources, count) = Prepare(graph);
        if (count > WorthCollecting)
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return new DominatorTree(vertices, Dominators(parents, starts, sources, count), count);
    }

    /// <summary>The node that every path to this one goes through last; -1: of the top, and of what cannot be reached.</summary>
    /// <returns>By the graph's nodes.</returns>
    public int[] ToArray(HeapGraph graph)
    {
        var all = new int[graph.Nodes];
        Array.Fill(all, -1);
        for (var i = 2; i <= Count; i++)
            all[_vertices[i]] = _vertices[_dominators[i]];
        return all;
    }

    public long[] RetainedByType(HeapGraph graph)
    {
        var (retained, all, above) = (new long[Count + 1], new long[graph.TypeNames.Length], new int[graph.TypeNames.Length]);
        // What no root was seen to hold retains itself at least.
        for (var i = 0; i < graph.Objects; i++)
            all[graph.TypeOf[i]] += graph.BytesOf(i);
        for (var i = Count; i > 1; i--)
        {
            if (_vertices[i] < graph.Objects)
            {
                var bytes = graph.BytesOf(_vertices[i]);
                retained[i] += bytes;
                all[graph.TypeOf[_vertices[i]]] -= bytes;
            }
            // A dominator comes before what it dominates.
            retained[_dominators[i]] += retained[i];
        }
        var (firstChild, next) = (new int[Count + 1], new int[Count + 1]);
        for (var i = Count; i > 1; i--)
            (next[i], firstChild[_dominators[i]]) = (firstChild[_dominators[i]], i);
        // Down the tree, with how many objects of each type stand above: only the uppermost of a type counts.
        for (var at = 1; at != 0;)
        {
            if (_vertices[at] < graph.Objects && above[graph.TypeOf[_vertices[at]]]++ == 0)
                all[graph.TypeOf[_vertices[at]]] += retained[at];
            if (firstChild[at] != 0)
            {
                at = firstChild[at];
                continue;
            }
            for (; at != 0; at = _dominators[at])
            {
                if (_vertices[at] < graph.Objects)
                    above[graph.TypeOf[_vertices[at]]]--;
                if (next[at] == 0)
                    continue;
                at = next[at];
                break;
            }
        }
        return all;
    }

    private static (int[] Vertices, int[] Parents, int[] Starts, int[] Sources, int Count) Prepare(HeapGraph graph)
    {
        var (vertices, numbers, parents, count) = Search(graph);
        var (starts, sources) = Incoming(graph, vertices, numbers, count);
        return (vertices, parents, starts, sources, count);
    }

    private static (int[] Vertices, int[] Numbers, int[] Parents, int Count) Search(HeapGraph graph)
    {
        var (starts, references) = (graph.Starts, graph.References);
        var (vertices, numbers, parents, cursors) = (new int[graph.Nodes + 1], new int[graph.Nodes], new int[graph.Nodes + 1], new int[graph.Nodes + 1]);
        var count = 1;
        (vertices[1], numbers[graph.Top], cursors[1]) = (graph.Top, 1, starts[graph.Top]);
        for (var at = 1; at != 0;)
        {
            var cursor = cursors[at];
            if (cursor == starts[vertices[at] + 1])
            {
                at = parents[at];
                continue;
            }
            cursors[at] = cursor + 1;
            var target = references[cursor];
            if (numbers[target] != 0)
                continue;
            numbers[target] = ++count;
            (vertices[count], parents[count], cursors[count]) = (target, at, starts[target]);
            at = count;
        }
        return (vertices, numbers, parents, count);
    }

    /// <summary>The references turned round, among what can be reached.</summary>
    private static (int[] Starts, int[] Sources) Incoming(HeapGraph graph, int[] vertices, int[] numbers, int count)
    {
        var ends = new int[count + 2];
        for (var i = 1; i <= count; i++)
            for (var at = graph.Starts[vertices[i]]; at < graph.Starts[vertices[i] + 1]; at++)
                ends[numbers[graph.References[at]]]++;
        for (var i = 1; i <= count + 1; i++)
            ends[i] += ends[i - 1];
        var sources = new int[ends[count + 1]];
        for (var i = 1; i <= count; i++)
            for (var at = graph.Starts[vertices[i]]; at < graph.Starts[vertices[i] + 1]; at++)
                sources[--ends[numbers[graph.References[at]]]] = i;
        return (ends, sources);
    }

    private static int[] Dominators(int[] parents, int[] starts, int[] sources, int count)
    {
        var (links, semi, buckets, dominators) = (new Link[count + 1], new int[count + 1], new int[count + 1], new int[count + 1]);
        for (var i = 0; i <= count; i++)
            (links[i], semi[i]) = (new Link(parents[i], i, i), i);
        // As deep as the deepest way up that is asked for: a list of all objects, at worst.
        var (path, depth) = (new int[1024], 0);
        for (var at = count; at > 1; at--)
        {
            var least = at;
            for (var i = starts[at]; i < starts[at + 1]; i++)
                least = Math.Min(least, Least(sources[i], at + 1).Semi);
            semi[at] = links[at].Semi = least;
            // Until a node's dominator is known, its place there says who follows it in its bucket.
            (dominators[at], buckets[least]) = (buckets[least], at);
            var parent = links[at].Ancestor;
            for (var node = buckets[parent]; node != 0;)
            {
                var next = dominators[node];
                ref var best = ref Least(node, at);
                dominators[node] = best.Semi < semi[node] ? best.Label : parent;
                node = next;
            }
            buckets[parent] = 0;
        }
        for (var i = 2; i <= count; i++)
            if (dominators[i] != semi[i])
                dominators[i] = dominators[dominators[i]];
        return dominators;

        // Knows the node of the least semidominator on the way up, among those from linked on; the way is shortened for the next who asks.
        ref Link Least(int node, int linked)
        {
            if (node >= linked)
                for (var at = node; links[at].Ancestor >= linked; at = links[at].Ancestor)
                {
                    if (depth == path.Length)
                        Array.Resize(ref path, path.Length * 2);
                    path[depth++] = at;
                }
            while (depth > 0)
            {
                ref var below = ref links[path[--depth]];
                ref var above = ref links[below.Ancestor];
                if (above.Semi < below.Semi)
                    (below.Label, below.Semi) = (above.Label, above.Semi);
                below.Ancestor = above.Ancestor;
            }
            return ref links[node];
        }
    }

    /// <summary>What is asked together lies together: each of these is another miss of the cache.</summary>
    /// <param name="Ancestor">The node above, or one further up.</param>
    /// <param name="Label">The node of the least semidominator between the two.</param>
    /// <param name="Semi">That semidominator.</param>
    private record struct Link(int Ancestor, int Label, int Semi);
}
