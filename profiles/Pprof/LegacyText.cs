using System.Buffers.Text;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Premortem.Profiles.Pprof;

/// <summary>
/// The text that Go's <c>?debug=1</c> gives: heap, allocs, goroutine and threadcreate. Values are scaled as pprof scales them; names,
/// files and lines come from the comments below each sample, so that the binary is not needed.
/// </summary>
internal sealed class LegacyText
{
    // Longer lines are no profile's: a stack has a thousand frames at most, of twenty characters.
    private const int LongestLine = 256 << 10;

    private readonly Dictionary<string, int> _strings = new(StringComparer.Ordinal) { [""] = 0 };
    private readonly Dictionary<ulong, int> _locations = [];
    private readonly Dictionary<ulong, (int Name, int File, long Line)> _frames = [];
    private readonly Dictionary<(int Name, int File), int> _functions = [];
    private readonly List<(int Start, int Length, long BlockSize)> _samples = [];
    private readonly List<ulong> _addresses = [];
    private readonly List<long> _values = [];
    private readonly ProtoWriter _output = new();
    private readonly ProtoWriter _part = new();
    private readonly ProtoWriter _inner = new();
    private (string Type, string Unit)[] _types = [];
    private (string Type, string Unit) _periodType;
    private long _period;
    private bool _isHeap;
    private bool _isScaled;
    private bool _hasAllocations;

    private LegacyText()
    {
    }

    /// <summary>Whether it is such a text, by its first bytes.</summary>
    internal static bool IsOne(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith("heap profile: "u8))
            return true;
        var at = head.IndexOf(" profile: total "u8);
        return at > 0 && at < 64 && !head[..at].ContainsAny((byte)' ', (byte)'\n', (byte)'\t');
    }

    /// <exception cref="ProfileFormatException">It is none, or damaged.</exception>
    internal static PprofProfile Read(ReadOnlySpan<byte> text)
    {
        var reader = new LegacyText();
        var offset = 0;
        while (offset < text.Length)
        {
            var length = text[offset..].IndexOf((byte)'\n');
            var line = text.Slice(offset, length < 0 ? text.Length - offset : length);
            if (line.Length > LongestLine)
                throw new ProfileFormatException("a line of the text is too long for a profile's", offset);
            if (!reader.ReadLine(line.TrimEnd((byte)'\r'), offset))
                break;
            offset += line.Length + 1;
        }
        return reader.Make(offset);
    }

    /// <returns>Whether more may come.</returns>
    private bool ReadLine(ReadOnlySpan<byte> line, int offset)
    {
        if (_types.Length == 0)
        {
            if (line.StartsWith("heap profile: "u8))
                ReadHeapHeader(line, offset);
            else
                ReadCountHeader(line);
            return true;
        }
        var trimmed = line.Trim(" \t"u8);
        if (trimmed.IsEmpty)
            return true;
        if (trimmed[0] == '#')
        {
            ReadFrame(trimmed[1..]);
            return true;
        }
        // What follows is a map of the process's memory.
        if (trimmed.StartsWith("---"u8) || trimmed.StartsWith("MAPPED_LIBRARIES:"u8))
            return false;
        ReadSample(trimmed, offset);
        return true;
    }

    private void ReadCountHeader(ReadOnlySpan<byte> line)
    {
        var type = Encoding.UTF8.GetString(line[..line.IndexOf(" profile: total "u8)]);
        (_types, _periodType, _period) = ([(type, "count")], (type, "count"), 1);
    }

    /// <summary><c>heap profile: 35: 2163200 [108: 2164368] @ heap/1048576</c></summary>
    private void ReadHeapHeader(ReadOnlySpan<byte> line, int offset)
    {
        var rest = line["heap profile: "u8.Length..];
        var counts = ReadCounts(ref rest, offset);
        var kind = Encoding.UTF8.GetString(rest.Trim((byte)' '));
        var parts = kind.Split('/', 2);
        long rate = 0;
        if (parts.Length == 2 && !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out rate))
            throw new ProfileFormatException("the heap profile's sampling rate is no number", offset);
        (_isScaled, _period) = parts[0] switch
        {
            "heap" => (true, rate / 2),
            "heap_v2" or "heapz_v2" => (true, rate),
            "heapprofile" => (false, 1),
            _ => throw new ProfileFormatException("this kind of heap profile is not known", offset),
        };
        _isHeap = true;
        _periodType = ("space", "bytes");
        var (inUse, inUseBytes, allocated, allocatedBytes) = counts;
        _hasAllocations = (allocated != inUse && allocated != 0) || (allocatedBytes != inUseBytes && allocatedBytes != 0);
        _types = _hasAllocations
            ? [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")]
            : [("objects", "count"), ("space", "bytes")];
    }

    private void ReadSample(ReadOnlySpan<byte> line, int offset)
    {
        var blockSize = 0L;
        var rest = line;
        if (_isHeap)
        {
            var (inUse, inUseBytes, allocated, allocatedBytes) = ReadCounts(ref rest, offset);
            if (_hasAllocations)
                Add(allocated, allocatedBytes);
            Add(inUse, inUseBytes);
        }
        else
        {
            if (!Utf8Parser.TryParse(rest, out long count, out var digits) || !rest[digits..].StartsWith(" @"u8))
                throw new ProfileFormatException("a sample's count cannot be read", offset);
            _values.Add(count);
            rest = rest[(digits + 2)..];
        }
        var start = _addresses.Count;
        foreach (var range in rest.Split((byte)' '))
        {
            var word = rest[range];
            if (word.IsEmpty)
                continue;
            // A stack's addresses are those that calls return to; the call is just before.
            if (ReadAddress(word) is not { } address)
                throw new ProfileFormatException("an address of a sample's stack cannot be read", offset);
            _addresses.Add(unchecked(address - 1));
        }
        _samples.Add((start, _addresses.Count - start, blockSize));

        void Add(long count, long size)
        {
            if (count == 0 && size != 0)
                throw new ProfileFormatException($"a sample has {size} bytes in no object", offset);
            if (count != 0)
                blockSize = size / count;
            (count, size) = _isScaled ? Scaled(count, size) : (count, size);
            _values.Add(count);
            _values.Add(size);
        }
    }

    /// <summary>What a sample stands for: the smaller a block, the fewer of its kind are sampled.</summary>
    private (long Count, long Size) Scaled(long count, long size)
    {
        if (count == 0 || size == 0)
            return (0, 0);
        if (_period <= 1)
            return (count, size);
        var scale = 1 / (1 - Math.Exp(-((double)size / count) / _period));
        return ((long)(count * scale), (long)(size * scale));
    }

    /// <summary><c>1: 2688 [3: 8064] @</c>, and what follows is left.</summary>
    private static (long InUse, long InUseBytes, long Allocated, long AllocatedBytes) ReadCounts(ref ReadOnlySpan<byte> line, int offset)
    {
        var rest = line;
        var counts = (Number(ref rest, ":"u8), Number(ref rest, "["u8), Number(ref rest, ":"u8), Number(ref rest, "]"u8));
        rest = rest.TrimStart((byte)' ');
        if (!rest.StartsWith("@"u8))
            throw new ProfileFormatException("a sample's counts are not followed by a stack", offset);
        line = rest[1..];
        return counts;

        long Number(ref ReadOnlySpan<byte> text, ReadOnlySpan<byte> end)
        {
            text = text.TrimStart((byte)' ');
            if (!Utf8Parser.TryParse(text, out long number, out var digits) || !text[digits..].TrimStart((byte)' ').StartsWith(end))
                throw new ProfileFormatException("a sample's counts cannot be read", offset);
            text = text[digits..].TrimStart((byte)' ')[end.Length..];
            return number;
        }
    }

    private static ulong? ReadAddress(ReadOnlySpan<byte> word) =>
        word.StartsWith("0x"u8) && Utf8Parser.TryParse(word[2..], out ulong address, out var digits, 'x') && digits == word.Length - 2 ? address : null;

    /// <summary>
    /// <c>0x694350	main.MemoryIntensiveFunc+0x50	/src/main.go:41</c>, as Go writes it below a sample. Any other comment says nothing.
    /// </summary>
    private void ReadFrame(ReadOnlySpan<byte> comment)
    {
        comment = comment.Trim(" \t"u8);
        if (!comment.StartsWith("0x"u8))
            return;
        var parts = Encoding.UTF8.GetString(comment).Split('\t', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length < 3 || ReadAddress(Encoding.UTF8.GetBytes(parts[0])) is not { } address || _frames.ContainsKey(address))
            return;
        var (plus, colon) = (parts[1].LastIndexOf("+0x", StringComparison.Ordinal), parts[2].LastIndexOf(':'));
        if (plus <= 0 || colon <= 0 || !int.TryParse(parts[2].AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var line))
            return;
        _frames.Add(address, (StringOf(parts[1][..plus]), StringOf(parts[2][..colon]), line));
    }

    private PprofProfile Make(int offset)
    {
        if (_types.Length == 0)
            throw new ProfileFormatException("the text has no header of a profile", offset);
        foreach (var (type, unit) in _types)
            WriteType(1, type, unit);
        for (var i = 0; i < _samples.Count; i++)
            WriteSample(_samples[i], CollectionsMarshal.AsSpan(_values).Slice(i * _types.Length, _types.Length));
        WriteType(11, _periodType.Type, _periodType.Unit);
        _output.Number(12, _period);
        foreach (var text in _strings.OrderBy(text => text.Value))
            _output.Bytes(6, Encoding.UTF8.GetBytes(text.Key));
        var data = _output.Written.ToArray();
        return new PprofProfile(data, data.Length);
    }

    private void WriteType(int field, string type, string unit)
    {
        _part.Number(1, StringOf(type));
        _part.Number(2, StringOf(unit));
        _output.Message(field, _part);
    }

    private void WriteSample((int Start, int Length, long BlockSize) sample, ReadOnlySpan<long> values)
    {
        var stack = CollectionsMarshal.AsSpan(_addresses).Slice(sample.Start, sample.Length);
        // Go does not name the runtime's own functions at either end: those that have no name go, where others have one.
        var (first, end) = (0, stack.Length);
        while (first < end && !_frames.ContainsKey(stack[first]))
            first++;
        while (end > first && !_frames.ContainsKey(stack[end - 1]))
            end--;
        if (first < end)
            stack = stack[first..end];
        foreach (var address in stack)
            _inner.Varint((ulong)LocationOf(address));
        // Written apart, since locations are written between.
        _part.Bytes(1, _inner.Written);
        _inner.Clear();
        foreach (var value in values)
            _inner.Varint((ulong)value);
        _part.Message(2, _inner);
        if (_isHeap)
        {
            _inner.Number(1, StringOf("bytes"));
            _inner.Number(3, sample.BlockSize);
            _part.Message(3, _inner);
        }
        _output.Message(2, _part);
    }

    private int LocationOf(ulong address)
    {
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_locations, address, out var isKnown);
        if (isKnown)
            return id;
        id = _locations.Count;
        var (location, line) = (new ProtoWriter(), new ProtoWriter());
        location.Number(1, id);
        location.Number(3, (long)address);
        if (_frames.TryGetValue(address, out var frame))
        {
            line.Number(1, FunctionOf(frame.Name, frame.File));
            line.Number(2, frame.Line);
            location.Message(4, line);
        }
        _output.Message(4, location);
        return id;
    }

    private int FunctionOf(int name, int file)
    {
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_functions, (name, file), out var isKnown);
        if (isKnown)
            return id;
        id = _functions.Count;
        var function = new ProtoWriter();
        function.Number(1, id);
        function.Number(2, name);
        function.Number(3, name);
        function.Number(4, file);
        _output.Message(5, function);
        return id;
    }

    private int StringOf(string text)
    {
        ref var index = ref CollectionsMarshal.GetValueRefOrAddDefault(_strings, text, out var isKnown);
        if (!isKnown)
            index = _strings.Count - 1;
        return index;
    }
}
