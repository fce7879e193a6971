using System.Runtime.InteropServices;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// The shortest paths from the roots to all objects, told in types: what paths begin with alike is there once. A type that comes again within
/// its own path, as in linked lists, is not told again.
/// </summary>
internal sealed class PathTree
{
    /// <summary>Where no root was seen to hold an object.</summary>
    public const string NoRoot = "no root seen";

    /// <summary>Where there are more different paths than a person or a browser can look at.</summary>
    public const string Untold = "longer paths";

    // Longer cycles of types are told as often as they come, up to the depth.
    private const int Fold = 32;
    private const int MaxDepth = 128;
    private const int MaxPlaces = 100_000;

    private readonly HeapGraph _graph;
    private readonly Dictionary<ulong, int> _children = [];
    private readonly List<Place> _places = [];
    private readonly Dictionary<string, int> _rootNames = new(StringComparer.Ordinal);
    private readonly List<string> _roots = [];

    private PathTree(HeapGraph graph) => _graph = graph;

    /// <summary>A place in the tree.</summary>
    /// <param name="Parent">-1: it is a root.</param>
    /// <param name="Type">The type's number, or the root's.</param>
    internal record struct Place(int Parent, int Type, int Depth)
    {
        public long Objects;
        public long Bytes;
    }

    /// <summary>A place comes behind its parent.</summary>
    public IReadOnlyList<Place> Places => _places;

    public static PathTree Of(HeapGraph graph)
    {
        var tree = new PathTree(graph);
        tree.Walk();
        return tree;
    }

    public string NameOf(int place) => _places[place] is var at && at.Parent < 0 ? _roots[at.Type] : _graph.TypeNames[at.Type];

    /// <summary>For each of the types the paths that hold most of it.</summary>
    public Dictionary<int, IReadOnlyList<RetentionPath>> Of(IReadOnlyCollection<int> types, int most)
    {
        var found = types.ToDictionary(type => type, _ => new List<int>());
        for (var i = 0; i < _places.Count; i++)
            if (_places[i] is { Parent: >= 0, Objects: > 0 } place && found.TryGetValue(place.Type, out var places))
                places.Add(i);
        return found.ToDictionary(pair => pair.Key, IReadOnlyList<RetentionPath> (pair) => [.. pair.Value
            .OrderByDescending(place => _places[place].Bytes)
            .ThenBy(place => place)
            .Take(most)
            .Select(place => new RetentionPath(StepsOf(place), _places[place].Objects, _places[place].Bytes))]);
    }

    private List<string> StepsOf(int place)
    {
        var steps = new List<string>();
        for (; place >= 0; place = _places[place].Parent)
            steps.Add(NameOf(place));
        steps.Reverse();
        return steps;
    }

    /// <summary>Breadth first, so that the first way to an object is a shortest.</summary>
    private void Walk()
    {
        var (graph, starts, references) = (_graph, _graph.Starts, _graph.References);
        // Where each node was first come to; one more, so that none is 0.
        var (queue, placeOf) = (new int[graph.Nodes], new int[graph.Nodes]);
        var (head, tail) = (0, 0);
        for (var at = starts[graph.Top]; at < starts[graph.Top + 1]; at++)
        {
            var root = references[at];
            (placeOf[root], queue[tail++]) = (Root(graph.Roots[root - graph.Objects].Name) + 1, root);
        }
        while (head < tail)
        {
            var node = queue[head++];
            var place = placeOf[node] - 1;
            for (var at = starts[node]; at < starts[node + 1]; at++)
            {
                var target = references[at];
                if (placeOf[target] != 0 || target >= graph.Objects)
                    continue;
                (placeOf[target], queue[tail++]) = (Child(place, graph.TypeOf[target]) + 1, target);
            }
        }
        for (var i = 0; i < graph.Objects; i++)
        {
            var place = placeOf[i] != 0 ? placeOf[i] - 1 : Child(Root(NoRoot), graph.TypeOf[i]);
            ref var counted = ref CollectionsMarshal.AsSpan(_places)[place];
            counted.Objects++;
            counted.Bytes += graph.BytesOf(i);
        }
    }

    private int Root(string name)
    {
        ref var place = ref CollectionsMarshal.GetValueRefOrAddDefault(_rootNames, name, out var isKnown);
        if (isKnown)
            return place;
        _roots.Add(name);
        _places.Add(new Place(-1, _roots.Count - 1, 0));
        return place = _places.Count - 1;
    }

    private int Child(int parent, int type)
    {
        var key = ((ulong)(uint)parent << 32) | (uint)type;
        ref var place = ref CollectionsMarshal.GetValueRefOrAddDefault(_children, key, out var isKnown);
        if (isKnown)
            return place;
        var at = parent;
        for (var i = 0; i < Fold && at >= 0 && _places[at].Parent >= 0; i++, at = _places[at].Parent)
            if (_places[at].Type == type)
                return place = at;
        var isUntold = _places.Count >= MaxPlaces || _places[parent].Depth >= MaxDepth;
        if (isUntold && _places[parent] is not { Depth: 0 })
        {
            // Of each type there is one such place: what it holds is told in full, how it is held is not.
            var untold = Child(Root(Untold), type);
            return _children[key] = untold;
        }
        _places.Add(new Place(parent, type, _places[parent].Depth + 1));
        return place = _places.Count - 1;
    }
}
