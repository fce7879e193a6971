using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// Takes the objects of a heap and what they refer to while the runtime walks it: the same events as <see cref="HeapSnapshotTable"/>. Nodes
/// say how many of the edges that come, in their order, are theirs; where one event of either is missing, all edges behind it have no owner.
/// </summary>
internal sealed class HeapSnapshotGraph
{
    private const int BytesOfNode = 8 + 8 + 8;
    private const int BytesOfEdge = 4;

    // Of GCRootFlags and GCRootStaticVarFlags in the runtime's ClrEtwAll.man.
    private const uint Pinning = 1, Weak = 2, Counted = 8, ThreadLocal = 1;

    private readonly HeapGraphBuilder _builder = new();
    private uint _nextNodes;
    private uint _nextEdges;
    private bool _areEdgesLost;
    private bool _isDamaged;
    private ulong _lastType;
    private int _lastNumber = -1;

    public void OnEvent(in NettraceEvent item)
    {
        if (!item.Type.IsRuntime)
            return;
        switch (item.Type.EventId)
        {
            case RuntimeEvents.GCBulkNode:
                OnNodes(item);
                break;
            case RuntimeEvents.GCBulkEdge:
                OnEdges(item);
                break;
            case RuntimeEvents.GCBulkType:
                OnTypes(item);
                break;
            case RuntimeEvents.GCBulkRootEdge:
                OnRoots(item);
                break;
            case RuntimeEvents.GCBulkRootStaticVar:
                OnStatics(item);
                break;
            case RuntimeEvents.GCBulkRootConditionalWeakTableElementEdge:
                OnDependents(item);
                break;
        }
    }

    /// <param name="isPartial">Whether the walk has not ended, or events were dropped.</param>
    /// <param name="stream">What the stream says of itself.</param>
    public HeapGraph ToGraph(bool isPartial, NettraceHeader? stream) => _builder.Build(isPartial || _isDamaged || _areEdgesLost, stream);

    private void OnNodes(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var (index, count) = (reader.UInt32(), reader.UInt32());
        _ = reader.UInt16();
        var pointer = item.Stream.PointerSize;
        if (index != _nextNodes)
            _builder.FirstWithoutReferences ??= _builder.Objects;
        _nextNodes = unchecked(index + 1);
        if (count > reader.Left / (pointer + BytesOfNode))
        {
            _isDamaged = true;
            _builder.FirstWithoutReferences ??= _builder.Objects;
            return;
        }
        for (var i = 0; i < count; i++)
        {
            var (address, bytes, type, edges) = (reader.Pointer(pointer), reader.UInt64(), reader.UInt64(), reader.UInt64());
            if (type != _lastType || _lastNumber < 0)
                (_lastType, _lastNumber) = (type, _builder.TypeOf(type));
            _isDamaged |= !_builder.Add(address, bytes, _lastNumber, edges);
        }
    }

    private void OnEdges(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var (index, count) = (reader.UInt32(), reader.UInt32());
        _ = reader.UInt16();
        var pointer = item.Stream.PointerSize;
        _areEdgesLost |= index != _nextEdges || count > reader.Left / (pointer + BytesOfEdge);
        _nextEdges = unchecked(index + 1);
        for (var i = 0; i < count && !_areEdgesLost; i++)
        {
            _areEdgesLost |= !_builder.AddReference(reader.Pointer(pointer));
            _ = reader.UInt32();
        }
    }

    private void OnTypes(in NettraceEvent item) => _isDamaged |= !BulkTypes.Read(item, _builder.Name);

    private void OnRoots(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        _ = reader.UInt32();
        var count = reader.UInt32();
        _ = reader.UInt16();
        var pointer = item.Stream.PointerSize;
        for (var i = 0; i < count && !reader.IsShort; i++)
        {
            var (target, kind, flags) = (reader.Pointer(pointer), reader.UInt8(), reader.UInt32());
            _ = reader.Pointer(pointer);
            if (reader.IsShort || (flags & Weak) != 0)
                continue;
            _isDamaged |= !_builder.AddRoot(KindOf(kind, flags), target);
        }
        _isDamaged |= reader.IsShort;
    }

    private static HeapRootKind KindOf(byte kind, uint flags) => kind switch
    {
        0 => HeapRootKind.Stack,
        1 => HeapRootKind.Finalizer,
        2 when (flags & Counted) != 0 => HeapRootKind.CountedHandle,
        2 when (flags & Pinning) != 0 => HeapRootKind.PinnedHandle,
        2 => HeapRootKind.Handle,
        _ => HeapRootKind.Other,
    };

    private void OnStatics(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var count = reader.UInt32();
        reader.Take(8 + 2);
        for (var i = 0; i < count && !reader.IsShort; i++)
        {
            var (slot, target) = (reader.UInt64(), reader.UInt64());
            _ = reader.UInt64();
            var flags = reader.UInt32();
            var field = reader.Text();
            if (reader.IsShort)
                break;
            var name = (field.Length > TypeTally.MaxNameLength ? field[..TypeTally.MaxNameLength] : field).ToString();
            _isDamaged |= !_builder.AddRoot((flags & ThreadLocal) != 0 ? HeapRootKind.ThreadStatic : HeapRootKind.Static, target, name, slot);
        }
        _isDamaged |= reader.IsShort;
    }

    private void OnDependents(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        _ = reader.UInt32();
        var count = reader.UInt32();
        _ = reader.UInt16();
        var pointer = item.Stream.PointerSize;
        for (var i = 0; i < count && !reader.IsShort; i++)
        {
            var (key, value) = (reader.Pointer(pointer), reader.Pointer(pointer));
            _ = reader.Pointer(pointer);
            if (!reader.IsShort && key != 0)
                _isDamaged |= !_builder.AddDependent(key, value);
        }
        _isDamaged |= reader.IsShort;
    }
}
