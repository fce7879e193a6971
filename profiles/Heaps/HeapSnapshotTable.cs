using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// Counts the objects of a heap by type while the runtime walks it: the events of the keyword GCHeapSnapshot (0x1980001) at the level
/// verbose (5). Feed it from a <see cref="NettraceReader"/>. Its memory does not depend on how many objects there are.
/// </summary>
public sealed class HeapSnapshotTable
{
    /// <summary>What asks a runtime for its heap.</summary>
    public const ulong Keywords = 0x1980001;

    public const uint Level = 5;

    /// <summary>The one among <see cref="Keywords"/> that brings the names of types.</summary>
    public const ulong TypeKeyword = 0x80000;

    private const int BytesOfGraphNode = 8 + 8 + 8;

    private readonly TypeTally _tally = new();
    private uint? _collection;
    private uint? _walked;
    private bool _isDamaged;

    /// <summary>The objects seen so far.</summary>
    public long Objects { get; private set; }

    /// <summary>
    /// Whether the collection that walked the heap has ended: nothing more will come. The event that says so may itself have been
    /// dropped, where the heap did not fit into the buffers.
    /// </summary>
    public bool HasEnded { get; private set; }

    public void OnEvent(in NettraceEvent item)
    {
        if (!item.Type.IsRuntime)
            return;
        switch (item.Type.EventId)
        {
            case RuntimeEvents.GCBulkNode:
                OnNodes(item);
                break;
            case RuntimeEvents.GCBulkType:
                OnTypes(item);
                break;
            case RuntimeEvents.GCStart when Number(item) is { } number:
                // Where the end of the walk was dropped, the next collection tells all the same that it is over.
                HasEnded |= _walked is not null && !IsBackground(item);
                _collection = number;
                break;
            case RuntimeEvents.GCEnd when Number(item) is { } number:
                HasEnded |= number == _walked;
                break;
        }
    }

    /// <summary>Takes the names of types that come by another session than the objects; what else it tells is not looked at.</summary>
    public void OnTypeNames(in NettraceEvent item)
    {
        if (item.Type is { IsRuntime: true, EventId: RuntimeEvents.GCBulkType })
            OnTypes(item);
    }

    /// <param name="dropped">The events that did not fit into the buffers: <see cref="NettraceReader.Dropped"/>.</param>
    /// <param name="maxRows">How many types at most; the sums are of all.</param>
    public TypeTable ToTable(long dropped, int maxRows = TypeTable.MaxRows) =>
        _tally.ToTable(TypeTable.LiveObjects, isPartial: !HasEnded || dropped > 0 || _isDamaged, maxRows);

    private static uint? Number(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var number = reader.UInt32();
        return reader.IsShort ? null : number;
    }

    private static bool IsBackground(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        reader.Take(3 * sizeof(uint));
        return reader.UInt32() == 1;
    }

    private void OnNodes(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        _ = reader.UInt32();
        var count = reader.UInt32();
        _ = reader.UInt16();
        var pointer = item.Stream.PointerSize;
        _walked ??= _collection ?? uint.MaxValue;
        if (count > reader.Left / (pointer + BytesOfGraphNode))
        {
            _isDamaged = true;
            return;
        }
        for (var i = 0; i < count; i++)
        {
            _ = reader.Pointer(pointer);
            var size = reader.UInt64();
            _tally.Add(reader.UInt64(), 1, size);
            _ = reader.UInt64();
        }
        Objects += count;
    }

    private void OnTypes(in NettraceEvent item) => _isDamaged |= !BulkTypes.Read(item, _tally.Name);
}
