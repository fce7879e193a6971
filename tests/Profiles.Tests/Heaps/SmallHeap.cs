using Premortem.Profiles.Heaps;
using Premortem.Testing;

namespace Premortem.Profiles.Tests.Heaps;

/// <summary>A heap made by hand, as the stream that a runtime writes of one.</summary>
internal sealed class SmallHeap
{
    private readonly List<(string Type, ulong Bytes, string[] To)> _objects = [];
    private readonly List<string> _names = [];
    private readonly List<(string Target, byte Kind, int Flags)> _roots = [];
    private readonly List<(ulong Slot, string Target, int Flags, string Field)> _statics = [];
    private readonly List<(string Key, string Value)> _dependents = [];
    private readonly List<string> _types = [];

    public int PointerSize { get; init; } = 8;

    /// <summary>How many objects and edges an event has.</summary>
    public int Batch { get; init; } = 3;

    /// <summary>Whether the collection that walked the heap is seen to end.</summary>
    public bool HasEnd { get; init; } = true;

    /// <summary>Where the first object stands, and how far it is from one to the next.</summary>
    public (ulong First, ulong Step) Place { get; init; } = (0x10000, 24);

    /// <param name="name">The object's own name, which is its type's where no other is given.</param>
    public SmallHeap Add(string name, ulong bytes = 24, string? type = null, params string[] to)
    {
        _names.Add(name);
        _objects.Add((type ?? name, bytes, to));
        return this;
    }

    public SmallHeap Root(string target, byte kind = 0, int flags = 0)
    {
        _roots.Add((target, kind, flags));
        return this;
    }

    public SmallHeap Static(string field, string target, int flags = 0, ulong slot = 0x99)
    {
        _statics.Add((slot, target, flags, field));
        return this;
    }

    public SmallHeap Dependent(string key, string value)
    {
        _dependents.Add((key, value));
        return this;
    }

    public ulong AddressOf(string name) => _names.IndexOf(name) is >= 0 and var i ? Place.First + (ulong)i * Place.Step : 0xDEAD0;

    public NettraceEncoder Encode(Func<int, bool>? hasNodes = null, Func<int, bool>? hasEdges = null)
    {
        var encoder = NettraceEncoder.Start(pointerSize: PointerSize);
        foreach (var item in _objects)
            if (!_types.Contains(item.Type))
                _types.Add(item.Type);
        encoder.Event(1, NettraceEncoder.GCStart(3));
        encoder.Event(38, NettraceEncoder.BulkStatics([.. _statics.Select(item => (item.Slot, AddressOf(item.Target), item.Flags, item.Field))]));
        var nodes = _objects.Select((item, i) => (AddressOf(_names[i]), 1 + (ulong)_types.IndexOf(item.Type), item.Bytes, (ulong)item.To.Length)).Chunk(Batch).ToList();
        var edges = _objects.SelectMany(item => item.To).Select(AddressOf).Chunk(Batch).ToList();
        for (var i = 0; i < Math.Max(nodes.Count, edges.Count); i++)
        {
            if (i < nodes.Count && hasNodes?.Invoke(i) != false)
                encoder.Event(18, encoder.BulkNodes(i, nodes[i]));
            if (i < edges.Count && hasEdges?.Invoke(i) != false)
                encoder.Event(19, encoder.BulkEdges(i, edges[i]));
        }
        encoder.Event(17, encoder.BulkDependents(0, [.. _dependents.Select(pair => (AddressOf(pair.Key), AddressOf(pair.Value)))]));
        encoder.Event(16, encoder.BulkRoots(0, [.. _roots.Select(root => (AddressOf(root.Target), root.Kind, root.Flags))]));
        encoder.Event(15, NettraceEncoder.BulkTypes([.. _types.Select((type, i) => (1 + (ulong)i, type))]));
        return HasEnd ? encoder.Event(2, NettraceEncoder.GCEnd(3)) : encoder;
    }

    public HeapGraph Read(Func<int, bool>? hasNodes = null, Func<int, bool>? hasEdges = null) =>
        HeapGraph.Read(new MemoryStream(Encode(hasNodes, hasEdges).ToArray()));
}
