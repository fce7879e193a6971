using System.Buffers.Binary;
using System.Text;

namespace Premortem.Testing;

/// <summary>Writes nettrace streams, also ones that no runtime would write: every part as it is asked for, valid or not.</summary>
public sealed class NettraceEncoder
{
    public const string Runtime = "Microsoft-Windows-DotNETRuntime";

    /// <summary>The time that every stream claims to start at; its clock has a tick a microsecond and starts at 1000.</summary>
    public static readonly DateTimeOffset StartedAt = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);

    private readonly List<byte> _bytes = [];
    private readonly Dictionary<(string Provider, int Id, int Version), int> _types = [];
    private readonly Dictionary<long, uint> _sequences = [];
    private readonly List<byte> _events = [];
    private int _lastBlock;

    /// <summary>Whether events are written with headers that say only what differs.</summary>
    public bool IsCompressed { get; init; } = true;

    public int PointerSize { get; init; } = 8;

    public static NettraceEncoder Start(int version = 4, int readerVersion = 4, int pointerSize = 8, bool isCompressed = true, long frequency = 1_000_000)
    {
        var encoder = new NettraceEncoder { PointerSize = pointerSize, IsCompressed = isCompressed };
        encoder._bytes.AddRange([.. "Nettrace\x14\0\0\0!FastSerialization.1"u8]);
        return encoder.Wrapped("Trace", version, readerVersion,
        [
            .. I16(2026), .. I16(1), .. I16(5), .. I16(2), .. I16(3), .. I16(4), .. I16(5), .. I16(678),
            .. I64(1000), .. I64(frequency), .. I32(pointerSize), .. I32(4711), .. I32(2), .. I32(0),
        ]);
    }

    /// <summary>An event, in a block of its own once <see cref="Flush"/> or <see cref="ToArray"/> comes.</summary>
    public NettraceEncoder Event(int id, byte[] payload, long at = 2000, long thread = 1, uint skipped = 0, string provider = Runtime, int version = 2, int stack = 0)
    {
        if (!_types.TryGetValue((provider, id, version), out var type))
        {
            Flush();
            type = _types.Count + 1;
            _types.Add((provider, id, version), type);
            Type(type, provider, id, "", version);
        }
        var sequence = _sequences.GetValueOrDefault(thread) + 1 + skipped;
        _sequences[thread] = sequence;
        _events.AddRange(IsCompressed
            // Every header says all: they are read as differences, so that what was said before must not count twice.
            ? Compressed(type, sequence, thread, stack, at, payload)
            : Plain(type, sequence, thread, stack, at, payload));
        if (IsCompressed)
            Flush();
        return this;
    }

    /// <summary>Several events in one block, with headers that say nothing twice.</summary>
    public NettraceEncoder Run(int id, long thread, IReadOnlyList<byte[]> payloads, int version = 2)
    {
        var sequence = _sequences.GetValueOrDefault(thread) + 1;
        Event(id, payloads[0], thread: thread, version: version);
        // What was just flushed is taken back, and written anew with the rest behind it.
        _bytes.RemoveRange(_lastBlock, _bytes.Count - _lastBlock);
        var type = _types[(Runtime, id, version)];
        _events.AddRange(Compressed(type, sequence, thread, 0, 2000, payloads[0]));
        foreach (var payload in payloads.Skip(1))
        {
            _events.AddRange(payload.Length == payloads[0].Length ? [0, .. Varint(3)] : [128, .. Varint(3), .. Varint((ulong)payload.Length)]);
            _events.AddRange(payload);
        }
        _sequences[thread] = sequence + (uint)payloads.Count - 1;
        return Flush();
    }

    public NettraceEncoder Type(int type, string provider, int eventId, string name, int version, params (string Name, int Code)[] fields)
    {
        byte[] payload =
        [
            .. I32(type), .. Text(provider), .. I32(eventId), .. Text(name), .. I64(1), .. I32(version), .. I32(4),
            .. I32(fields.Length), .. fields.SelectMany(field => (byte[])[.. I32(field.Code), .. Text(field.Name)]),
        ];
        return Block("MetadataBlock", [.. BlockHeader(), .. IsCompressed ? Compressed(0, 0, 0, 0, 0, payload) : Plain(0, 0, 0, 0, 0, payload)]);
    }

    /// <summary>A sequence point: for each thread the number of its last event, kept or dropped.</summary>
    public NettraceEncoder SequencePoint(params (long Thread, uint Sequence)[] threads)
    {
        Flush();
        foreach (var (thread, sequence) in threads)
            _sequences[thread] = sequence;
        return Block("SPBlock", [.. I64(9000), .. I32(threads.Length), .. threads.SelectMany(thread => (byte[])[.. I64(thread.Thread), .. I32((int)thread.Sequence)])]);
    }

    public NettraceEncoder Stacks(int firstId, params byte[][] stacks)
    {
        Flush();
        return Block("StackBlock", [.. I32(firstId), .. I32(stacks.Length), .. stacks.SelectMany(stack => (byte[])[.. I32(stack.Length), .. stack])]);
    }

    public NettraceEncoder Block(string name, byte[] content, int? claimed = null)
    {
        _lastBlock = _bytes.Count;
        List<byte> payload = [.. I32(claimed ?? content.Length)];
        while ((_bytes.Count + ObjectHeader(name, 2, 2).Length + payload.Count) % 4 != 0)
            payload.Add(0);
        return Wrapped(name, 2, 2, [.. payload, .. content]);
    }

    public NettraceEncoder Wrapped(string name, int version, int readerVersion, byte[] payload)
    {
        _bytes.AddRange(ObjectHeader(name, version, readerVersion));
        _bytes.AddRange(payload);
        _bytes.Add(6);
        return this;
    }

    public NettraceEncoder Raw(params byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public NettraceEncoder Flush()
    {
        if (_events.Count == 0)
            return this;
        byte[] content = [.. BlockHeader(), .. _events];
        _events.Clear();
        return Block("EventBlock", content);
    }

    /// <summary>The stream, with its end.</summary>
    public byte[] ToArray()
    {
        Flush();
        return [.. _bytes, 1];
    }

    public static byte[] GCStart(uint number, int depth = 2, int reason = 1, int type = 0) =>
        [.. I32((int)number), .. I32(depth), .. I32(reason), .. I32(type), .. I16(0), .. I64(0)];

    public static byte[] GCEnd(uint number, int depth = 2) => [.. I32((int)number), .. I32(depth), .. I16(0)];

    public static byte[] GCHeapStats(params long[] generations) =>
    [
        .. generations.Take(4).SelectMany(bytes => (byte[])[.. I64(bytes), .. I64(0)]), .. new byte[8 + 8 + 4 + 4 + 4 + 2],
        .. generations.Skip(4).SelectMany(bytes => (byte[])[.. I64(bytes), .. I64(0)]),
    ];

    public byte[] BulkNodes(int index, params (ulong Type, ulong Bytes)[] nodes) =>
    [
        .. I32(index), .. I32(nodes.Length), .. I16(0),
        .. nodes.SelectMany(node => (byte[])[.. Pointer(0x1000), .. I64((long)node.Bytes), .. I64((long)node.Type), .. I64(1)]),
    ];

    public byte[] BulkNodes(int index, params (ulong Address, ulong Type, ulong Bytes, ulong Edges)[] nodes) =>
    [
        .. I32(index), .. I32(nodes.Length), .. I16(0),
        .. nodes.SelectMany(node => (byte[])[.. Pointer(node.Address), .. I64((long)node.Bytes), .. I64((long)node.Type), .. I64((long)node.Edges)]),
    ];

    public byte[] BulkEdges(int index, params ulong[] targets) =>
        [.. I32(index), .. I32(targets.Length), .. I16(0), .. targets.SelectMany(target => (byte[])[.. Pointer(target), .. I32(0)])];

    public byte[] BulkRoots(int index, params (ulong Target, byte Kind, int Flags)[] roots) =>
    [
        .. I32(index), .. I32(roots.Length), .. I16(0),
        .. roots.SelectMany(root => (byte[])[.. Pointer(root.Target), root.Kind, .. I32(root.Flags), .. Pointer(0x10)]),
    ];

    public byte[] BulkDependents(int index, params (ulong Key, ulong Value)[] pairs) =>
    [
        .. I32(index), .. I32(pairs.Length), .. I16(0),
        .. pairs.SelectMany(pair => (byte[])[.. Pointer(pair.Key), .. Pointer(pair.Value), .. Pointer(0x10)]),
    ];

    public static byte[] BulkStatics(params (ulong Slot, ulong Target, int Flags, string Field)[] variables) =>
    [
        .. I32(variables.Length), .. I64(1), .. I16(0),
        .. variables.SelectMany(variable => (byte[])[.. I64((long)variable.Slot), .. I64((long)variable.Target), .. I64(1), .. I32(variable.Flags), .. Text(variable.Field)]),
    ];

    public static byte[] BulkTypes(params (ulong Type, string Name)[] types) =>
    [
        .. I32(types.Length), .. I16(0),
        .. types.SelectMany(type => (byte[])[.. I64((long)type.Type), .. I64(7), .. I32(8), .. I32(0), 18, .. Text(type.Name), .. I32(1), .. I64(9)]),
    ];

    public byte[] AllocationSampled(ulong type, string name, ulong bytes) =>
        [.. I32(0), .. I16(0), .. Pointer(type), .. Text(name), .. Pointer(0x1000), .. I64((long)bytes), .. I64(0)];

    public byte[] AllocationTick(ulong type, string name, ulong amount, ulong? bytes = null) =>
    [
        .. I32((int)amount), .. I32(0), .. I16(0), .. I64((long)amount), .. Pointer(type), .. Text(name), .. I32(0), .. Pointer(0x1000),
        .. bytes is { } size ? I64((long)size) : [],
    ];

    public static byte[] I16(int value) => [(byte)value, (byte)(value >> 8)];

    public static byte[] I32(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes;
    }

    public static byte[] I64(long value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }

    public static byte[] Text(string text) => Encoding.Unicode.GetBytes(text + '\0');

    private byte[] Pointer(ulong value) => PointerSize == 8 ? I64((long)value) : I32((int)value);

    private static byte[] ObjectHeader(string name, int version, int readerVersion) =>
        [5, 5, 1, .. I32(version), .. I32(readerVersion), .. I32(name.Length), .. Encoding.ASCII.GetBytes(name), 6];

    private byte[] BlockHeader() => [.. I16(20), .. I16(IsCompressed ? 1 : 0), .. I64(0), .. I64(0)];

    private static byte[] Compressed(int type, uint sequence, long thread, int stack, long at, byte[] payload) =>
    [
        1 | 2 | 4 | 8 | 128, .. Varint((ulong)type), .. Varint(type == 0 ? 0 : sequence - 1), .. Varint((ulong)thread), .. Varint(0),
        .. Varint((ulong)thread), .. Varint((ulong)stack), .. Varint((ulong)at), .. Varint((ulong)payload.Length), .. payload,
    ];

    private byte[] Plain(int type, uint sequence, long thread, int stack, long at, byte[] payload)
    {
        List<byte> bytes =
        [
            .. I32(0), .. I32(type | int.MinValue), .. I32((int)sequence), .. I64(thread), .. I64(thread), .. I32(0), .. I32(stack),
            .. I64(at), .. new byte[32], .. I32(payload.Length), .. payload,
        ];
        while ((bytes.Count + _events.Count) % 4 != 0)
            bytes.Add(0);
        return [.. bytes];
    }

    private static byte[] Varint(ulong number) => PprofEncoder.Varint(number);
}
