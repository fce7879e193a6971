using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>
/// Adds a profile's samples up by function. The rules are pprof's, at its granularity "functions": functions of one name are one
/// node, frames without a function are one node for each binary, and names alone decide ties.
/// </summary>
internal sealed class TopBuilder
{
    private const int NotYet = -1;

    private readonly PprofProfile _profile;
    private readonly TopOptions _options;
    private readonly int _sampleIndex;
    private readonly LocationEntry[] _locations;
    private readonly FramePruning.Fate[]? _fates;
    private readonly int[] _functionNodes;
    private readonly int[] _mappingNodes;
    private readonly Dictionary<NodeName, int> _named;
    private readonly Dictionary<(string File, long StartLine), int> _unnamed = [];
    private readonly List<Node> _nodes = [];

    internal TopBuilder(PprofProfile profile, TopOptions options)
    {
        (_profile, _options) = (profile, options);
        _sampleIndex = profile.SampleIndex(options.SampleIndex);
        _locations = profile.Locations;
        if (FramePruning.Of(profile) is { } pruning)
        {
            _locations = [.. _locations];
            _fates = pruning.Apply(profile, _locations);
        }
        _functionNodes = new int[profile.Functions.Length];
        Array.Fill(_functionNodes, NotYet);
        // The first is for frames without a mapping.
        _mappingNodes = new int[profile.Mappings.Count + 1];
        Array.Fill(_mappingNodes, NotYet);
        _named = new Dictionary<NodeName, int>(new NodeNameComparer(profile));
    }

    internal TopTable Build()
    {
        var total = AddUp();
        var flat = 0L;
        foreach (ref var node in Nodes)
            flat = unchecked(flat + node.Flat);
        var all = new List<int>();
        for (var i = 0; i < _nodes.Count; i++)
            if (_nodes[i].Flat != 0 || _nodes[i].Cum != 0)
                all.Add(i);
        var cutoff = Abs((long)(flat * _options.NodeFraction));
        var kept = all.FindAll(node => Abs(_nodes[node].Cum) >= cutoff);
        var trimming = new Trimming(all.Count - kept.Count, Abs((long)(total * _options.NodeFraction)), kept.Count);
        kept.Sort(_options.Cumulative ? CompareByCum : CompareByFlat);
        if (_options.NodeCount > 0 && _options.NodeCount < kept.Count)
            kept.RemoveRange(_options.NodeCount, kept.Count - _options.NodeCount);
        // Functions whose samples cancel out are not shown, but as long as nothing has to be left out they stand between the others.
        foreach (var node in kept.Count == all.Count ? Enumerable.Range(0, _nodes.Count) : kept)
            Nodes[node].IsKept = true;
        MarkInlined(kept, Abs((long)(flat * _options.EdgeFraction)));
        return new TopTable(_profile, _sampleIndex, total, Rows(kept, total), trimming, OutputUnit(kept, total));
    }

    /// <summary>The file of a mapping, empty where it is not one: a URL is where the profile came from.</summary>
    internal static string FileOf(ProfileMapping mapping) =>
        mapping.BuildId.Length == 0 && Uri.CheckSchemeName(mapping.File.Split(':', 2)[0]) && mapping.File.Contains(':', StringComparison.Ordinal)
            ? ""
            : mapping.File;

    private Span<Node> Nodes => CollectionsMarshal.AsSpan(_nodes);

    // Unlike Math.Abs it takes the one number that has no opposite.
    private static long Abs(long value) => value < 0 ? unchecked(-value) : value;

    private long AddUp()
    {
        var (total, difference) = (0L, 0L);
        var samples = _profile.Samples();
        while (samples.Next())
        {
            var value = samples.Values[_sampleIndex];
            if (value == 0)
                continue;
            total = unchecked(total + Abs(value));
            // pprof -diff_base marks what it subtracted; shares are then of that.
            if (samples.HasLabel("pprof::base"u8, "true"u8))
                difference = unchecked(difference + Abs(value));
            var leaf = NotYet;
            var stack = Stack(samples);
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

    /// <summary>
    /// A row is marked where calls into it were inlined. Only calls between rows that are shown count, over what is not shown
    /// between them, and within one sample the first call counts for all.
    /// </summary>
    private void MarkInlined(List<int> kept, long cutoff)
    {
        if (!kept.Exists(node => _nodes[node].MayBeInlined))
            return;
        var calls = new Dictionary<CallKey, Call>();
        var samples = _profile.Samples();
        while (samples.Next())
        {
            var value = samples.Values[_sampleIndex];
            if (value == 0)
                continue;
            var caller = NotYet;
            var stack = Stack(samples);
            for (var i = stack.Length - 1; i >= 0; i--)
            {
                ref var location = ref _locations[stack[i]];
                var outermost = Math.Max(location.LineCount, 1) - 1;
                for (var line = outermost; line >= 0; line--)
                {
                    var callee = NodeOf(location, line);
                    ref var node = ref Nodes[callee];
                    if (!node.IsKept)
                        continue;
                    // Of nodes that are inlined nowhere, calls need not be known.
                    if (caller != NotYet && caller != callee && node.MayBeInlined)
                    {
                        ref var call = ref CollectionsMarshal.GetValueRefOrAddDefault(calls, new CallKey(caller, callee), out var isOld);
                        if (!isOld)
                            call.IsInlined = true;
                        if (call.LastSample != samples.Count)
                        {
                            call.LastSample = samples.Count;
                            call.Weight = unchecked(call.Weight + value);
                            call.IsInlined &= line != outermost;
                        }
                    }
                    caller = callee;
                }
            }
        }
        foreach (var (key, call) in calls)
        {
            if (Abs(call.Weight) < cutoff)
                continue;
            if (call.IsInlined)
                Nodes[key.Callee].HasInlinedCall = true;
            else
                Nodes[key.Callee].HasRealCall = true;
        }
    }

    private ReadOnlySpan<int> Stack(SampleCursor samples) => _fates is null ? samples.Locations : FramePruning.Cut(samples.Locations, _fates);

    private int NodeOf(in LocationEntry location, int line)
    {
        var function = location.LineCount == 0 ? -1 : _profile.Lines[location.FirstLine + line].Function;
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
            node = UnnamedNode(location.Mapping, _profile.Functions[function].StartLine);
        else if (_mappingNodes[location.Mapping + 1] is var known and >= 0)
            node = known;
        else
            node = _mappingNodes[location.Mapping + 1] = UnnamedNode(location.Mapping, startLine: 0);
        if (location.LineCount > 0 && line != location.LineCount - 1)
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

    private int UnnamedNode(int mapping, long startLine)
    {
        var file = mapping < 0 ? "" : FileOf(_profile.Mappings[mapping]);
        ref var node = ref CollectionsMarshal.GetValueRefOrAddDefault(_unnamed, (file, startLine), out var isOld);
        if (!isOld)
            node = AddNode(new Node { Unnamed = (file, startLine), PrintableName = file.Length == 0 ? "<unknown>" : $"[{TopTable.BaseName(file)}]" });
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

        string Identity(in Node node) => node.PrintableName is null
            ? _profile.StringAt(node.Name)
            : string.Create(CultureInfo.InvariantCulture, $"  0  {node.Unnamed.StartLine} 0 {node.Unnamed.File}");
    }

    private ReadOnlySpan<byte> Utf8(in Node node) =>
        node.PrintableName is null ? _profile.Utf8At(node.Name) : Encoding.UTF8.GetBytes(node.PrintableName);

    private List<TopRow> Rows(List<int> kept, long total)
    {
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
    private string OutputUnit(List<int> kept, long total)
    {
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

    private struct Node
    {
        /// <summary>The name's number in the string table, where <see cref="PrintableName"/> is null.</summary>
        internal int Name;
        internal string? PrintableName;
        internal (string File, long StartLine) Unnamed;
        internal long Flat;
        internal long Cum;
        internal int LastSample;
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
