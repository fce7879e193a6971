namespace Premortem.Profiles.Graphs;

/// <summary>
/// Places boxes in layers, callers above callees, with few crossings: cycles are cut at one of their edges, each node stands one layer below the
/// lowest of its callers, long edges are led through places of their own in the layers between, layers are ordered by where their
/// neighbours stand, and last each is moved as near to these as the others of its layer let it. Deterministic.
/// </summary>
internal sealed class LayeredLayout
{
    private const int OrderingSweeps = 12;
    private const int PlacingSweeps = 8;
    private const double Gap = 24;
    private const double LayerGap = 48;

    private readonly List<Box> _boxes;
    private readonly List<List<int>> _layers = [];
    private readonly List<int>[] _up;
    private readonly List<int>[] _down;

    /// <param name="sizes">Of each node.</param>
    /// <param name="edges">From whom to whom, the most important first; none from a node to itself.</param>
    internal LayeredLayout(IReadOnlyList<(double Width, double Height)> sizes, IReadOnlyList<(int From, int To)> edges)
    {
        _boxes = [.. sizes.Select(size => new Box { Width = size.Width, Height = size.Height })];
        var directed = WithoutCycles(sizes.Count, edges);
        AssignLayers(sizes.Count, directed);
        var paths = new int[edges.Count][];
        for (var i = 0; i < edges.Count; i++)
            paths[i] = PathOf(directed[i]);
        _up = [.. _boxes.Select(_ => new List<int>())];
        _down = [.. _boxes.Select(_ => new List<int>())];
        foreach (var path in paths)
            for (var i = 1; i < path.Length; i++)
            {
                _down[path[i - 1]].Add(path[i]);
                _up[path[i]].Add(path[i - 1]);
            }
        for (var i = 0; i < _boxes.Count; i++)
        {
            while (_layers.Count <= _boxes[i].Layer)
                _layers.Add([]);
            _layers[_boxes[i].Layer].Add(i);
        }
        Order();
        Place();
        // A path goes from the caller, also where the edge was turned round to cut a cycle.
        Paths = [.. paths.Select((path, i) => path[0] == edges[i].From ? path : path.AsEnumerable().Reverse().ToArray()).Select(path => path.Select(At).ToArray())];
        Centres = [.. Enumerable.Range(0, sizes.Count).Select(At)];
    }

    internal double Width { get; private set; }

    internal double Height { get; private set; }

    internal IReadOnlyList<(double X, double Y)> Centres { get; }

    /// <summary>Of each edge the centres that it goes through, from its caller to its callee.</summary>
    internal IReadOnlyList<(double X, double Y)[]> Paths { get; }

    private (double X, double Y) At(int box) => (_boxes[box].X, _boxes[box].Y);

    /// <summary>Turns those edges round that lead back to a node on whose way they are found.</summary>
    private static (int From, int To)[] WithoutCycles(int nodes, IReadOnlyList<(int From, int To)> edges)
    {
        var directed = edges.ToArray();
        var outgoing = new List<int>[nodes];
        var isCalled = new bool[nodes];
        for (var i = 0; i < edges.Count; i++)
        {
            (outgoing[edges[i].From] ??= []).Add(i);
            isCalled[edges[i].To] = true;
        }
        var (isOpen, isDone) = (new bool[nodes], new bool[nodes]);
        // From those that nobody calls: what is outermost stays on top.
        foreach (var root in Enumerable.Range(0, nodes).OrderBy(node => isCalled[node]))
        {
            if (isDone[root])
                continue;
            var way = new Stack<(int Node, int Next)>([(root, 0)]);
            isOpen[root] = true;
            while (way.TryPop(out var at))
            {
                if (at.Next == (outgoing[at.Node]?.Count ?? 0))
                {
                    (isOpen[at.Node], isDone[at.Node]) = (false, true);
                    continue;
                }
                way.Push((at.Node, at.Next + 1));
                var edge = outgoing[at.Node][at.Next];
                var to = edges[edge].To;
                if (isOpen[to])
                    directed[edge] = (to, at.Node);
                else if (!isDone[to])
                {
                    isOpen[to] = true;
                    way.Push((to, 0));
                }
            }
        }
        return directed;
    }

    private void AssignLayers(int nodes, (int From, int To)[] directed)
    {
        var missing = new int[nodes];
        var outgoing = new List<int>[nodes];
        foreach (var (from, to) in directed)
        {
            missing[to]++;
            (outgoing[from] ??= []).Add(to);
        }
        var ready = new Queue<int>(Enumerable.Range(0, nodes).Where(node => missing[node] == 0));
        while (ready.TryDequeue(out var node))
            foreach (var to in outgoing[node] ?? [])
            {
                _boxes[to].Layer = Math.Max(_boxes[to].Layer, _boxes[node].Layer + 1);
                if (--missing[to] == 0)
                    ready.Enqueue(to);
            }
    }

    private int[] PathOf((int From, int To) edge)
    {
        var path = new List<int> { edge.From };
        for (var layer = _boxes[edge.From].Layer + 1; layer < _boxes[edge.To].Layer; layer++)
        {
            path.Add(_boxes.Count);
            _boxes.Add(new Box { Layer = layer });
        }
        path.Add(edge.To);
        return [.. path];
    }

    private void Order()
    {
        foreach (var layer in _layers)
            Number(layer);
        for (var sweep = 0; sweep < OrderingSweeps; sweep++)
        {
            var isDownward = sweep % 2 == 0;
            foreach (var layer in isDownward ? _layers : Enumerable.Reverse(_layers))
            {
                var near = isDownward ? _up : _down;
                var wanted = layer.ToDictionary(box => box, box => near[box].Count == 0 ? _boxes[box].Position : near[box].Average(other => (double)_boxes[other].Position));
                var ordered = layer.OrderBy(box => wanted[box]).ToList();
                layer.Clear();
                layer.AddRange(ordered);
                Number(layer);
            }
        }

        void Number(List<int> layer)
        {
            for (var i = 0; i < layer.Count; i++)
                _boxes[layer[i]].Position = i;
        }
    }

    private void Place()
    {
        foreach (var layer in _layers)
            MoveTo(layer, [.. layer.Select(_ => 0.0)]);
        for (var sweep = 0; sweep < PlacingSweeps; sweep++)
            foreach (var layer in sweep % 2 == 0 ? _layers : Enumerable.Reverse(_layers))
                MoveTo(layer, [.. layer.Select(box => _up[box].Count + _down[box].Count == 0
                    ? _boxes[box].X
                    : _up[box].Concat(_down[box]).Average(other => _boxes[other].X))]);
        var left = _boxes.Count == 0 ? 0 : _boxes.Min(box => box.X - (box.Width / 2));
        foreach (var box in _boxes)
            box.X -= left;
        Width = _boxes.Count == 0 ? 0 : _boxes.Max(box => box.X + (box.Width / 2));
        foreach (var layer in _layers)
        {
            var height = layer.Max(box => _boxes[box].Height);
            foreach (var box in layer)
                _boxes[box].Y = Height + (height / 2);
            Height += height + LayerGap;
        }
        Height = Math.Max(0, Height - LayerGap);
    }

    /// <summary>
    /// Moves each box as near as can be to where it wants to be, in the order of the layer and with gaps between: those that would overlap
    /// stand together at the mean of what they want.
    /// </summary>
    private void MoveTo(List<int> layer, double[] wanted)
    {
        var offsets = new double[layer.Count];
        for (var i = 1; i < layer.Count; i++)
            offsets[i] = offsets[i - 1] + ((_boxes[layer[i - 1]].Width + _boxes[layer[i]].Width) / 2) + Gap;
        var groups = new Stack<(double Sum, int Count)>();
        for (var i = 0; i < layer.Count; i++)
        {
            var group = (Sum: wanted[i] - offsets[i], Count: 1);
            while (groups.TryPeek(out var before) && before.Sum / before.Count > group.Sum / group.Count)
            {
                groups.Pop();
                group = (before.Sum + group.Sum, before.Count + group.Count);
            }
            groups.Push(group);
        }
        var at = 0;
        foreach (var (sum, count) in groups.Reverse())
            for (var i = 0; i < count; i++, at++)
                _boxes[layer[at]].X = (sum / count) + offsets[at];
    }

    private sealed class Box
    {
        internal double Width;
        internal double Height;
        internal double X;
        internal double Y;
        internal int Layer;
        internal int Position;
    }
}
