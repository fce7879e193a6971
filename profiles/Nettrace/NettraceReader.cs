using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace Premortem.Profiles.Nettrace;

/// <summary>
/// Reads a nettrace stream, versions 4 and 5, as its bytes come, in whatever pieces. Nothing is kept but the block that is coming in, the
/// names of event types and a number a thread: bounded, whatever the stream says. A stream may end anywhere; every block that was
/// whole has been handed over by then. The format is described in github.com/microsoft/perfview, NetTraceFormat.md.
/// </summary>
/// <param name="onEvent">Takes the events.</param>
/// <param name="onStack">Takes the stacks, where somebody wants them.</param>
public sealed class NettraceReader(NettraceEventConsumer onEvent, NettraceStackConsumer? onStack = null)
{
    /// <summary>Runtimes write blocks of 100 KB, and larger ones only for a single large event.</summary>
    public const int MaxBlockBytes = 4 << 20;

    internal const int MaxEventTypes = 16 * 1024;
    internal const int MaxTextLength = 1024;
    internal const int MaxTypeBytes = 1 << 20;
    internal const int MaxThreads = 16 * 1024;

    private const int MaxFields = 256;
    private const int MaxNameBytes = 64;
    private const int TraceBytes = 48;
    private const byte NullReference = 1, BeginObject = 5, EndObject = 6;

    private readonly Dictionary<int, NettraceEventType> _types = [];
    private readonly Dictionary<long, uint> _lastOfThread = [];
    private byte[] _buffer = [];
    private int _buffered;
    private State _state = State.Magic;
    private int _wanted = 8;
    private long _stateStart;
    private string _object = "";
    private (int Version, int ReaderVersion) _objectVersion;
    private int _blockBytes;
    private string _lastProvider = "";
    private int _typeBytes;

    private enum State
    {
        Magic,
        Serialization,
        Tag,
        Type,
        Name,
        Trace,
        BlockSize,
        Padding,
        Block,
        Ended,
    }

    [Flags]
    private enum Has : byte
    {
        MetadataId = 1,
        CaptureThread = 2,
        ThreadId = 4,
        StackId = 8,
        ActivityId = 16,
        RelatedActivityId = 32,
        PayloadLength = 128,
    }

    private struct EventState
    {
        public int MetadataId;
        public uint Sequence;
        public long CaptureThread;
        public long Thread;
        public int Stack;
        public long Timestamp;
        public int PayloadBytes;
    }

    /// <summary>What the stream says of itself; null until that has come.</summary>
    public NettraceHeader? Header { get; private set; }

    /// <summary>The bytes taken so far.</summary>
    public long Received { get; private set; }

    /// <summary>Where the last whole block ends. What comes behind it, up to <see cref="Received"/>, was cut off unless more comes.</summary>
    public long WholeBytes { get; private set; }

    /// <summary>Whether the stream said that it ends. One that did not was cut.</summary>
    public bool HasEnded => _state == State.Ended;

    /// <summary>The events handed over.</summary>
    public long Events { get; private set; }

    /// <summary>The events that the runtime had no room for, as far as the numbers of those around them tell.</summary>
    public long Dropped { get; private set; }

    /// <summary>Whether these are the first bytes of such a stream.</summary>
    public static bool IsNettrace(ReadOnlySpan<byte> head) => head.StartsWith("Nettrace"u8);

    /// <summary>Takes the next bytes, and hands over what becomes whole with them.</summary>
    /// <exception cref="ProfileFormatException">They are no such stream. Nothing more can be read then.</exception>
    public void Feed(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0 || _wanted == 0)
        {
            if (_state == State.Ended)
                throw Wrong("something follows the end of the nettrace stream");
            if (_buffered == 0 && bytes.Length >= _wanted)
            {
                var whole = bytes[.._wanted];
                bytes = bytes[_wanted..];
                Step(whole);
                continue;
            }
            var count = Math.Min(bytes.Length, _wanted - _buffered);
            Reserve(_wanted);
            bytes[..count].CopyTo(_buffer.AsSpan(_buffered));
            bytes = bytes[count..];
            _buffered += count;
            Received = _stateStart + _buffered;
            if (_buffered < _wanted)
                return;
            _buffered = 0;
            Step(_buffer.AsSpan(0, _wanted));
        }
    }

    private void Reserve(int bytes)
    {
        if (_buffer.Length >= bytes)
            return;
        var larger = GC.AllocateUninitializedArray<byte>((int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(bytes, 1024)));
        _buffer.AsSpan(0, _buffered).CopyTo(larger);
        _buffer = larger;
    }

    private void Step(ReadOnlySpan<byte> bytes)
    {
        switch (_state)
        {
            case State.Magic:
                if (!IsNettrace(bytes))
                    throw Wrong(bytes.SequenceEqual("\x14\0\0\0!Fas"u8)
                        ? "a nettrace stream older than version 4, which .NET Core 2 wrote"
                        : "it does not start as a nettrace stream does");
                Expect(State.Serialization, 24, bytes);
                break;
            case State.Serialization:
                if (BinaryPrimitives.ReadInt32LittleEndian(bytes) == 0)
                    throw Wrong("a nettrace stream of version 6 or later; versions 4 and 5 can be read");
                if (!bytes.SequenceEqual("\x14\0\0\0!FastSerialization.1"u8))
                    throw Wrong("behind 'Nettrace' stands what no version of the format has");
                Expect(State.Tag, 1, bytes);
                break;
            case State.Tag:
                StepTag(bytes);
                break;
            case State.Type:
                StepType(bytes);
                break;
            case State.Name:
                StepName(bytes);
                break;
            case State.Trace:
                StepTrace(bytes);
                break;
            case State.BlockSize:
                StepBlockSize(bytes);
                break;
            case State.Padding:
                Expect(State.Block, _blockBytes + 1, bytes);
                break;
            default:
                RequireEnd(bytes);
                ReadBlock(bytes[..^1]);
                Expect(State.Tag, 1, bytes);
                WholeBytes = _stateStart;
                break;
        }
    }

    private void StepTag(ReadOnlySpan<byte> bytes)
    {
        switch (bytes[0])
        {
            case NullReference when Header is not null:
                Expect(State.Ended, 1, bytes);
                WholeBytes = _stateStart;
                break;
            case BeginObject:
                Expect(State.Type, 14, bytes);
                break;
            default:
                throw Wrong($"the tag {bytes[0]} stands where an object should begin");
        }
    }

    private void StepType(ReadOnlySpan<byte> bytes)
    {
        var version = BinaryPrimitives.ReadInt32LittleEndian(bytes[2..]);
        var readerVersion = BinaryPrimitives.ReadInt32LittleEndian(bytes[6..]);
        var nameLength = BinaryPrimitives.ReadInt32LittleEndian(bytes[10..]);
        if (bytes[0] != BeginObject || bytes[1] != NullReference || nameLength is < 1 or > MaxNameBytes)
            throw Wrong("an object does not begin with its type");
        _objectVersion = (version, readerVersion);
        Expect(State.Name, nameLength + 1, bytes);
    }

    private void StepName(ReadOnlySpan<byte> bytes)
    {
        RequireEnd(bytes);
        var name = bytes[..^1];
        var isTrace = name.SequenceEqual("Trace"u8);
        if (isTrace && (_objectVersion.Version is < 4 or > 5 || _objectVersion.ReaderVersion > 5))
            throw Wrong($"a nettrace stream of version {_objectVersion.Version}; versions 4 and 5 can be read");
        if (isTrace == Header is not null)
            throw Wrong(isTrace ? "the stream describes itself a second time" : "the stream does not begin with what describes it");
        // Blocks of a kind that is not known have a size all the same and can be left out.
        if (!isTrace && !name.EndsWith("Block"u8))
            throw Wrong($"an object of the unknown type '{Encoding.ASCII.GetString(name)}'");
        _object = name switch
        {
            _ when name.SequenceEqual("EventBlock"u8) => "EventBlock",
            _ when name.SequenceEqual("MetadataBlock"u8) => "MetadataBlock",
            _ when name.SequenceEqual("StackBlock"u8) => "StackBlock",
            _ when name.SequenceEqual("SPBlock"u8) => "SPBlock",
            _ => "",
        };
        if (isTrace)
            Expect(State.Trace, TraceBytes + 1, bytes);
        else
            Expect(State.BlockSize, 4, bytes);
    }

    private void StepTrace(ReadOnlySpan<byte> bytes)
    {
        RequireEnd(bytes);
        var reader = new PayloadReader(bytes);
        var (year, month) = (reader.UInt16(), reader.UInt16());
        _ = reader.UInt16();
        var (day, hour, minute, second, millisecond) = (reader.UInt16(), reader.UInt16(), reader.UInt16(), reader.UInt16(), reader.UInt16());
        if (year is < 1601 or > 9999 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59 || millisecond > 999)
            throw Wrong("the stream's start is no time");
        var startedAt = new DateTimeOffset(year, month, day, hour, minute, second, millisecond, TimeSpan.Zero);
        var header = new NettraceHeader(startedAt, reader.Int64(), reader.Int64(), reader.Int32(), reader.Int32(), reader.Int32());
        if (header.Frequency <= 0 || header.PointerSize is not (4 or 8))
            throw Wrong($"the stream claims a clock of {header.Frequency} Hz and pointers of {header.PointerSize} bytes");
        Header = header;
        Expect(State.Tag, 1, bytes);
        WholeBytes = _stateStart;
    }

    private void StepBlockSize(ReadOnlySpan<byte> bytes)
    {
        _blockBytes = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        if (_blockBytes is < 0 or > MaxBlockBytes)
            throw Wrong($"a block claims {_blockBytes} bytes, where at most {MaxBlockBytes} are allowed");
        // Content is aligned within the stream.
        Expect(State.Padding, (int)(-(_stateStart + 4) & 3), bytes);
    }

    private void Expect(State state, int bytes, ReadOnlySpan<byte> taken)
    {
        (_state, _wanted) = (state, bytes);
        _stateStart += taken.Length;
        Received = _stateStart;
    }

    private void RequireEnd(ReadOnlySpan<byte> bytes)
    {
        if (bytes[^1] != EndObject)
            throw Wrong($"the tag {bytes[^1]} stands where an object should end", bytes.Length - 1);
    }

    private void ReadBlock(ReadOnlySpan<byte> block)
    {
        switch (_object)
        {
            case "EventBlock":
            case "MetadataBlock":
                ReadEvents(block, _object == "MetadataBlock");
                break;
            case "StackBlock":
                ReadStacks(block);
                break;
            case "SPBlock":
                ReadSequencePoint(block);
                break;
        }
    }

    private void ReadEvents(ReadOnlySpan<byte> block, bool areTypes)
    {
        var reader = new PayloadReader(block);
        var (headerBytes, flags) = (reader.UInt16(), reader.UInt16());
        reader.Take(headerBytes - 4);
        if (reader.IsShort)
            throw Wrong("a block is shorter than its header");
        var state = default(EventState);
        while (reader.Left > 0)
        {
            var at = reader.Position;
            var payload = (flags & 1) != 0 ? ReadCompressed(ref reader, ref state) : ReadPlain(ref reader, ref state);
            if (reader.IsShort)
                throw Wrong("an event ends behind its block", at);
            if (areTypes)
                AddType(payload, at);
            else
                HandOver(state, payload, at);
        }
    }

    /// <summary>A header says what differs from the one before it.</summary>
    private static ReadOnlySpan<byte> ReadCompressed(ref PayloadReader reader, ref EventState state)
    {
        var has = (Has)reader.UInt8();
        if ((has & Has.MetadataId) != 0)
            state.MetadataId = (int)reader.VarUInt32();
        if ((has & Has.CaptureThread) != 0)
        {
            state.Sequence += reader.VarUInt32();
            state.CaptureThread = (long)reader.VarUInt64();
            _ = reader.VarUInt32();
        }
        if (state.MetadataId != 0)
            state.Sequence++;
        if ((has & Has.ThreadId) != 0)
            state.Thread = (long)reader.VarUInt64();
        if ((has & Has.StackId) != 0)
            state.Stack = (int)reader.VarUInt32();
        state.Timestamp += (long)reader.VarUInt64();
        if ((has & Has.ActivityId) != 0)
            reader.Take(16);
        if ((has & Has.RelatedActivityId) != 0)
            reader.Take(16);
        if ((has & Has.PayloadLength) != 0)
            state.PayloadBytes = (int)reader.VarUInt32();
        return reader.Take(state.PayloadBytes);
    }

    private static ReadOnlySpan<byte> ReadPlain(ref PayloadReader reader, ref EventState state)
    {
        _ = reader.Int32();
        // The highest bit says that it is not sorted, which is of no use here.
        state.MetadataId = reader.Int32() & int.MaxValue;
        state.Sequence = reader.UInt32();
        (state.Thread, state.CaptureThread) = (reader.Int64(), reader.Int64());
        _ = reader.Int32();
        state.Stack = reader.Int32();
        state.Timestamp = reader.Int64();
        reader.Take(32);
        state.PayloadBytes = reader.Int32();
        var payload = reader.Take(state.PayloadBytes);
        reader.Take(Math.Min(reader.Left, -reader.Position & 3));
        return payload;
    }

    private void HandOver(in EventState state, ReadOnlySpan<byte> payload, int at)
    {
        if (!_types.TryGetValue(state.MetadataId, out var type))
            throw Wrong($"an event is of type {state.MetadataId}, which nothing has described", at);
        Count(state.CaptureThread, state.Sequence);
        Events++;
        onEvent(new NettraceEvent
        {
            Type = type,
            Stream = Header!,
            Timestamp = state.Timestamp,
            ThreadId = state.Thread,
            StackId = state.Stack,
            Payload = payload,
        });
    }

    private void Count(long thread, uint sequence)
    {
        ref var last = ref CollectionsMarshal.GetValueRefOrAddDefault(_lastOfThread, thread, out var isKnown);
        if (sequence > last)
            Dropped += sequence - last - 1;
        // A thread that died leaves its id to another, whose events start anew.
        last = sequence;
        if (!isKnown && _lastOfThread.Count > MaxThreads)
            _lastOfThread.Remove(thread);
    }

    private void ReadSequencePoint(ReadOnlySpan<byte> block)
    {
        var reader = new PayloadReader(block);
        _ = reader.Int64();
        var threads = reader.UInt32();
        if (reader.IsShort || threads > reader.Left / 12)
            throw Wrong("a sequence point is shorter than the list of its threads");
        for (var i = 0; i < threads; i++)
        {
            var (thread, sequence) = (reader.Int64(), reader.UInt32());
            if (sequence > _lastOfThread.GetValueOrDefault(thread))
                Dropped += sequence - _lastOfThread.GetValueOrDefault(thread);
        }
        // Threads that are not in it have ended.
        _lastOfThread.Clear();
        reader = new PayloadReader(block[12..]);
        for (var i = 0; i < Math.Min(threads, MaxThreads); i++)
            _lastOfThread[reader.Int64()] = reader.UInt32();
    }

    private void ReadStacks(ReadOnlySpan<byte> block)
    {
        if (onStack is null)
            return;
        var reader = new PayloadReader(block);
        var (id, count) = (reader.Int32(), reader.UInt32());
        for (var i = 0; i < count; i++)
        {
            var addresses = reader.Take(reader.Int32());
            if (reader.IsShort)
                throw Wrong("a stack ends behind its block", reader.Position);
            onStack(unchecked(id + i), addresses);
        }
    }

    private void AddType(ReadOnlySpan<byte> payload, int at)
    {
        var reader = new PayloadReader(payload);
        var id = reader.Int32();
        var provider = reader.Text();
        var eventId = reader.Int32();
        var name = reader.Text();
        var (keywords, version, level) = (reader.UInt64(), reader.Int32(), reader.Int32());
        if (reader.IsShort)
            throw Wrong("what describes an event type ends too early", at);
        if (provider.Length > MaxTextLength || name.Length > MaxTextLength)
            throw Wrong($"an event type has a name of more than {MaxTextLength} characters", at);
        _typeBytes += payload.Length;
        if (_types.Count >= MaxEventTypes || _typeBytes > MaxTypeBytes)
            throw Wrong($"the stream describes more event types than the {MaxEventTypes} allowed", at);
        _types[id] = new NettraceEventType(ProviderText(provider), eventId, name.ToString(), keywords, version, level, ReadFields(ref reader));
    }

    /// <summary>A stream has hundreds of types and a handful of providers.</summary>
    private string ProviderText(ReadOnlySpan<char> provider)
    {
        if (_lastProvider.AsSpan().SequenceEqual(provider))
            return _lastProvider;
        return _lastProvider = provider.ToString();
    }

    /// <summary>Nothing here needs the fields; those that cannot be read are left out.</summary>
    private static List<NettraceField> ReadFields(ref PayloadReader reader)
    {
        var fields = new List<NettraceField>();
        var count = reader.Left >= 4 ? reader.UInt32() : 0;
        for (var i = 0; i < count && i < MaxFields; i++)
        {
            const int nested = 1;
            var code = reader.Int32();
            var name = code == nested ? default : reader.Text();
            if (reader.IsShort || code == nested || name.Length > MaxTextLength)
                break;
            fields.Add(new NettraceField(name.ToString(), code));
        }
        return fields;
    }

    private ProfileFormatException Wrong(string problem, int at = 0) => new(problem, _stateStart + at);
}
