using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Premortem.Profiles.Graphs;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>
/// Adds a profile's samples up by function, or by what else is to be a row. The rules are pprof's; at its granularity "functions",
/// functions of one name are one node, frames without a function are one node for each binary, and names alone decide ties.
/// </summary>
internal sealed class TopBuilder
{
    private const int NotYet = -1;

    private readonly PprofProfile _profile;
    private readonly TopOptions _options;
    private readonly int _sampleIndex;
    private readonly StackView _view;
    private readonly LocationEntry[] _locations;
    private readonly int[] _functionNodes;

    // Of finer and coarser rows than functions: the node of each line.
    private readonly int[]? _lineNodes;
    private readonly int[] _mappingNodes;
    private readonly Dictionary<NodeName, int> _named;
    private readonly Dictionary<Place, int> _places = [];
    private readonly List<Node> _nodes = [];

    internal TopBuilder(PprofProfile profile, TopOptions options)
    {
        (_profile, _options) = (profile, options);
        _sampleIndex = profile.SampleIndex(options.SampleIndex);
        _view = new StackView(profile, options.Filters, options.NoInlines);
        _locations = _view.Locations;
        _functionNodes = new int[profile.Functions.Length];
        Array.Fill(_functionNodes, NotYet);
        // The first is for frames without a mapping.
        _mappingNodes = new int[profile.Mappings.Count + 1];
        Array.Fill(_mappingNodes, NotYet);
        _named = new Dictionary<NodeName, int>(new NodeNameComparer(profile));
        if (options.Granularity == Granularity.Functions)
            return;
        _lineNodes = new int[_view.Lines.Length];
        Array.Fill(_lineNodes, NotYet);
    }

    internal TopTable Build()
    {
        var sums = AddUp();
        MarkInlined(sums);
        return Table(sums);
    }

    internal TreeTable BuildTree(Regex? peek)
    {
        var sums = AddUp();
        var calls = Calls(sums, every: true);
        var top = Table(sums);
        var (callers, callees) = (new List<TreeCall>[_nodes.Count], new List<TreeCall>[_nodes.Count]);
        foreach (var (key, call) in calls)
        {
            // A function whose samples cancel out has no row, but those that have may call it.
            if (Nodes[key.Callee].IsRow)
                (callers[key.Callee] ??= []).Add(new TreeCall(NameOf(key.Caller), call.Weight, call.IsInlined));
            if (Nodes[key.Caller].IsRow)
                (callees[key.Caller] ??= []).Add(new TreeCall(NameOf(key.Callee), call.Weight, call.IsInlined));
        }
        var rows = new List<TreeRow>(sums.Kept.Count);
        for (var i = 0; i < sums.Kept.Count; i++)
            if (peek is null || peek.IsMatch(top.Rows[i].Name))
                rows.Add(new TreeRow(top.Rows[i], InOrder(callers[sums.Kept[i]]), InOrder(callees[sums.Kept[i]])));
        return new TreeTable(top, rows);

        static List<TreeCall> InOrder(List<TreeCall>? calls)
        {
            calls?.Sort((left, right) =>
                Abs(right.Weight).CompareTo(Abs(left.Weight)) is not 0 and var order ? order : CompareTexts(left.Name, right.Name));
            return calls ?? [];
        }
    }

    internal CallGraph BuildGraph() => Graph(AddUp());

    /// <summary>The table and the call graph of its first rows. To add up takes as long as all the rest: it is done once.</summary>
    internal (TopTable Table, CallGraph Graph) BuildWithGraph(int nodes)
    {
        var sums = AddUp();
        MarkInlined(sums);
        var table = Table(sums);
        if (nodes < sums.Kept.Count)
        {
            sums = sums with { Kept = sums.Kept.GetRange(0, nodes) };
            foreach (ref var node in Nodes)
                (node.IsRow, node.IsKept) = (false, false);
            foreach (var node in sums.Kept)
                (Nodes[node].IsRow, Nodes[node].IsKept) = (true, true);
        }
        return (table, Graph(sums));
    }

    private CallGraph Graph(Sums sums)
    {
        var calls = Calls(sums, every: true);
        var top = Table(sums);
        var rows = new Dictionary<int, int>(sums.Kept.Count);
        for (var i = 0; i < sums.Kept.Count; i++)
            rows.Add(sums.Kept[i], i);
        var edges = new List<CallGraphEdge>();
        foreach (var (key, call) in calls)
            if (call.Weight != 0 && rows.TryGetValue(key.Caller, out var caller) && rows.TryGetValue(key.Callee, out var callee))
                edges.Add(new CallGraphEdge(caller, callee, call.Weight, call.IsInlined, call.IsBridge));
        edges.Sort((left, right) =>
            Abs(right.Weight).CompareTo(Abs(left.Weight)) is not 0 and var order ? order : (left.Caller, left.Callee).CompareTo((right.Caller, right.Callee)));
        return new CallGraph(top, CallGraph.WithoutRedundant(edges, top.Rows.Count), ReportHeader.Title(_profile, top.SampleType));
    }

    /// <summary>The lines of functions; of the granularity of lines.</summary>
    internal SourceList BuildSource(Regex functions)
    {
        var sums = AddUp();
        var lines = new List<SourceLine>();
        foreach (var index in sums.Kept)
            if (Nodes[index] is { Place: { } place } node && functions.IsMatch(place.Name))
                lines.Add(new SourceLine(place.Name, place.File, place.Line, node.Flat, node.Cum));
        return new SourceList(lines, sums.Total, _profile.SampleTypes[_sampleIndex].Unit, _options.FindsUnit ? Units.Auto : _options.UnitOrAuto);
    }

    private TopTable Table(Sums sums) => new(_profile, _options, _sampleIndex, sums.Total, Rows(sums), sums.Trimming, OutputUnit(sums));

    private Sums AddUp()
    {
        var total = AddUpSamples();
        var flat = 0L;
        var all = new List<int>();
        for (var i = 0; i < _nodes.Count; i++)
        {
            ref var node = ref Nodes[i];
            if ((node.Flat == 0 && node.Cum == 0) || (_options.DropNegative && (node.Flat < 0 || (node.Flat == 0 && node.Cum < 0))))
                continue;
            all.Add(i);
            flat = unchecked(flat + node.Flat);
        }
        var cutoff = Abs((long)(flat * _options.NodeFraction));
        var kept = all.FindAll(node => Abs(_nodes[node].Cum) >= cutoff);
        var trimming = new Trimming(all.Count - kept.Count, Abs((long)(total * _options.NodeFraction)), kept.Count);
        kept.Sort(_options.Cumulative ? CompareByCum : CompareByFlat);
        if (_options.NodeCount > 0 && _options.NodeCount < kept.Count)
            kept.RemoveRange(_options.NodeCount, kept.Count - _options.NodeCount);
        foreach (var node in kept)
            Nodes[node].IsRow = true;
        // Functions whose samples cancel out are not shown, but as long as nothing has to be left out they stand between the others.
        foreach (var node in kept.Count == all.Count ? Enumerable.Range(0, _nodes.Count) : kept)
            Nodes[node].IsKept = true;
        return new Sums(total, kept, trimming, Abs((long)(flat * _options.EdgeFraction)));
    }

    private Span<Node> Nodes => CollectionsMarshal.AsSpan(_nodes);

    // Unlike Math.Abs it takes the one number that has no opposite.
    private static long Abs(long value) => value < 0 ? unchecked(-value) : value;

    private long AddUpSamples()
    {
        var (total, difference) = (0L, 0L);
        var tellsBase = _view.TellsBase || !_options.RelativePercentages;
        var samples = _profile.Samples();
        while (samples.Next())
        {
            var value = samples.Values[_sampleIndex];
            if (value == 0)
                continue;
            var stack = _view.Of(samples);
            if (stack.IsEmpty && _options.RelativePercentages)
                continue;
            total = unchecked(total + Abs(value));
            // pprof -diff_base marks what it subtracted; shares are then of that.
            if (tellsBase && samples.HasLabel("pprof::base"u8, "true"u8))
                difference = unchecked(difference + Abs(value));
            var leaf = NotYet;
            for (var i = stack.Length - 1; i >= 0; i--)
            {
                ref var location = ref _locations[stack[i]];
                for (var line = Math.Max(location.LineCount, 1) - 1; line >= 0; line--)
                {
                    leaf = NodeOf(location, line);
                    ref var node = ref Nodes[leaf];
                    if (node.LastSample == samples.Count)
                        continue;
                    node.LastSample = samples.Count;
                    node.Cum = unchecked(node.Cum + value);
                }
            }
            if (leaf != NotYet)
                Nodes[leaf].Flat = unchecked(Nodes[leaf].Flat + value);
        }
        return difference > 0 ? difference : total;
    }

    /// <summary>A row is marked where calls into it were inlined.</summary>
    private void MarkInlined(Sums sums)
    {
        if (!sums.Kept.Exists(node => _nodes[node].MayBeInlined))
            return;
        foreach (var (key, call) in Calls(sums, every: false))
            if (call.IsInlined)
                Nodes[key.Callee].HasInlinedCall = true;
            else
                Nodes[key.Callee].HasRealCall = true;
    }

    /// <summary>
    /// The calls between rows that are shown, over what is not shown between them. Within one sample the first call counts for all.
    /// </summary>
    private Dictionary<CallKey, Call> Calls(Sums sums, bool every)
    {
        var calls = new Dictionary<CallKey, Call>();
        var samples = _profile.Samples();
        while (samples.Next())
        {
            var value = samples.Values[_sampleIndex];
            if (value == 0)
                continue;
            var (caller, isBridge) = (NotYet, false);
            var stack = _view.Of(samples);
            for (var i = stack.Length - 1; i >= 0; i--)
            {
                ref var location = ref _locations[stack[i]];
                var outermost = Math.Max(location.LineCount, 1) - 1;
                for (var line = outermost; line >= 0; line--)
                {
                    var callee = NodeOf(location, line);
                    ref var node = ref Nodes[callee];
                    if (!node.IsKept)
                    {
                        isBridge = true;
                        continue;
                    }
                    // For the mark alone, calls of nodes that are inlined nowhere need not be known.
                    if (caller != NotYet && caller != callee && (every || node.MayBeInlined))
                    {
                        ref var call = ref CollectionsMarshal.GetValueRefOrAddDefault(calls, new CallKey(caller, callee), out var isOld);
                        if (!isOld)
                            call.IsInlined = true;
                        if (call.LastSample != samples.Count)
                        {
                            call.LastSample = samples.Count;
                            call.Weight = unchecked(call.Weight + value);
                            call.IsInlined &= line != outermost;
                            call.IsBridge |= isBridge;
                        }
                    }
                    (caller, isBridge) = (callee, false);
                }
            }
        }
        // Only of rows: a small call into what has none stays.
        foreach (var (key, call) in calls)
            if (Nodes[key.Callee].IsRow && Abs(call.Weight) < sums.CallCutoff)
                calls.Remove(key);
        return calls;
    }

    private int NodeOf(in LocationEntry location, int line)
    {
        if (_lineNodes is not null)
            return PlaceNodeOf(location, line);
        var function = location.LineCount == 0 ? -1 : _view.Lines[location.FirstLine + line].Function;
        if (function >= 0 && _functionNodes[function] is var named and >= 0)
        {
            if (line != location.LineCount - 1)
                Nodes[named].MayBeInlined = true;
            return named;
        }
        int node;
        if (function >= 0 && _profile.Utf8At(_profile.Functions[function].Name).Length > 0)
            node = _functionNodes[function] = NamedNode(_profile.Functions[function].Name);
        else if (function >= 0)
            node = PlaceNode(location, line);
        else if (_mappingNodes[location.Mapping + 1] is var known and >= 0)
            node = known;
        else
            node = _mappingNodes[location.Mapping + 1] = PlaceNode(location, line);
        if (location.LineCount > 0 && line != location.LineCount - 1)
            Nodes[node].MayBeInlined = true;
        return node;
    }

    private int PlaceNodeOf(in LocationEntry location, int line)
    {
        if (location.LineCount == 0)
        {
            // Without an address, all of a binary's are one.
            if (_options.Granularity == Granularity.Addresses)
                return PlaceNode(location, line);
            ref var known = ref _mappingNodes[location.Mapping + 1];
            return known >= 0 ? known : known = PlaceNode(location, line);
        }
        ref var node = ref _lineNodes![location.FirstLine + line];
        if (node == NotYet)
            node = PlaceNode(location, line);
        if (line != location.LineCount - 1)
            Nodes[node].MayBeInlined = true;
        return node;
    }

    private int NamedNode(int name)
    {
        ref var node = ref CollectionsMarshal.GetValueRefOrAddDefault(_named, new NodeName(name), out var isOld);
        if (!isOld)
            node = AddNode(new Node { Name = name });
        return node;
    }

    private int PlaceNode(in LocationEntry location, int line)
    {
        var place = Place.Of(_profile, _view, location, line, _options.Granularity, _options.TrimPath);
        ref var node = ref CollectionsMarshal.GetValueRefOrAddDefault(_places, place, out var isOld);
        if (!isOld)
            node = AddNode(new Node { Place = place, PrintableName = place.Printable() });
        return node;
    }

    private int AddNode(Node node)
    {
        _nodes.Add(node);
        return _nodes.Count - 1;
    }

    private int CompareByFlat(int left, int right)
    {
        ref var l = ref Nodes[left];
        ref var r = ref Nodes[right];
        var order = Abs(r.Flat).CompareTo(Abs(l.Flat));
        if (order == 0)
            order = CompareNames(l, r);
        if (order == 0)
            order = Abs(r.Cum).CompareTo(Abs(l.Cum));
        return order != 0 ? order : CompareIdentities(l, r);
    }

    private int CompareByCum(int left, int right)
    {
        ref var l = ref Nodes[left];
        ref var r = ref Nodes[right];
        var order = Abs(r.Cum).CompareTo(Abs(l.Cum));
        if (order == 0)
            order = CompareNames(l, r);
        if (order == 0)
            order = Abs(r.Flat).CompareTo(Abs(l.Flat));
        return order != 0 ? order : CompareIdentities(l, r);
    }

    private int CompareNames(in Node left, in Node right) => Utf8(left).SequenceCompareTo(Utf8(right));

    /// <summary>The last resort for rows of one name, as binaries in different folders have: as pprof's printout of them sorts.</summary>
    private int CompareIdentities(in Node left, in Node right)
    {
        return string.CompareOrdinal(Identity(left), Identity(right));

        string Identity(in Node node) => node.Place?.Identity() ?? _profile.StringAt(node.Name);
    }

    private static int CompareTexts(string left, string right) => Encoding.UTF8.GetBytes(left).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(right));

    private string NameOf(int node) => Nodes[node].PrintableName ??= _profile.StringAt(Nodes[node].Name);

    private ReadOnlySpan<byte> Utf8(in Node node) =>
        node.Place is null ? _profile.Utf8At(node.Name) : Encoding.UTF8.GetBytes(node.PrintableName!);

    private List<TopRow> Rows(Sums sums)
    {
        var (kept, total) = (sums.Kept, sums.Total);
        var rows = new List<TopRow>(kept.Count);
        var sum = 0L;
        foreach (var index in kept)
        {
            ref var node = ref Nodes[index];
            sum = unchecked(sum + node.Flat);
            var inlining = (node.HasInlinedCall, node.HasRealCall) switch
            {
                (true, true) => Inlining.Partial,
                (true, false) => Inlining.Full,
                _ => Inlining.None,
            };
            rows.Add(new TopRow(
                node.PrintableName ?? _profile.StringAt(node.Name), node.Flat, sum, node.Cum, Percent(node.Flat), Percent(sum), Percent(node.Cum), inlining));
        }
        return rows;

        double Percent(long value) => total == 0 ? 0 : value * 100.0 / total;
    }

    /// <summary>One unit for the whole table: that of the smallest value, or a larger one where the largest value has one.</summary>
    private string OutputUnit(Sums sums)
    {
        var (kept, total) = (sums.Kept, sums.Total);
        if (!_options.FindsUnit)
            return _options.UnitOrAuto;
        var unit = _profile.SampleTypes[_sampleIndex].Unit;
        // With no row at all, every value finds its own.
        if (kept.Count == 0)
            return Units.Auto;
        var smallest = 0L;
        foreach (var index in kept)
        {
            var value = Abs(_nodes[index].Flat);
            if (value == 0)
                value = Abs(_nodes[index].Cum);
            if (value > 0 && (smallest == 0 || value < smallest))
                smallest = value;
        }
        if (smallest == 0)
            smallest = total;
        var smallestUnit = Units.Scale(smallest, unit, Units.Auto).Unit;
        var largestUnit = Units.Scale(total, unit, Units.Auto).Unit;
        var output = smallestUnit != largestUnit && unchecked(smallest * 100) < total
            ? Units.Scale(unchecked(100 * smallest), unit, Units.Auto).Unit
            : smallestUnit;
        return output.Length > 0 ? output : unit;
    }

    /// <param name="Total">What shares are of.</param>
    /// <param name="Kept">The nodes that are shown, in their order.</param>
    /// <param name="CallCutoff">Calls below it are not told.</param>
    private sealed record Sums(long Total, List<int> Kept, Trimming Trimming, long CallCutoff);

    private struct Node
    {
        /// <summary>The name's number in the string table, where <see cref="Place"/> is null.</summary>
        internal int Name;
        internal Place? Place;
        internal string? PrintableName;
        internal long Flat;
        internal long Cum;
        internal int LastSample;
        internal bool IsRow;

        /// <summary>Whether calls from and to it are told.</summary>
        internal bool IsKept;
        internal bool MayBeInlined;
        internal bool HasInlinedCall;
        internal bool HasRealCall;
    }

    // The hash is seeded: that of two numbers in one would be their xor, which real calls and hostile ones make collide.
    private readonly record struct CallKey(int Caller, int Callee)
    {
        public override int GetHashCode() => HashCode.Combine(Caller, Callee);
    }

    private struct Call
    {
        internal long Weight;
        internal int LastSample;
        internal bool IsInlined;
        internal bool IsBridge;
    }

    /// <summary>A string of the table. Two of them may be the same text.</summary>
    private readonly record struct NodeName(int Index);

    private sealed class NodeNameComparer(PprofProfile profile) : IEqualityComparer<NodeName>
    {
        public bool Equals(NodeName x, NodeName y) => x.Index == y.Index || profile.Utf8At(x.Index).SequenceEqual(profile.Utf8At(y.Index));

        public int GetHashCode(NodeName name)
        {
            var hash = new HashCode();
            hash.AddBytes(profile.Utf8At(name.Index));
            return hash.ToHashCode();
        }
    }
}
