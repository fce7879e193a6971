using System.IO.Compression;
using System.Text;

namespace Premortem.Testing;

/// <summary>Writes pprof profiles, also ones that no program would write: every field as it is asked for, valid or not.</summary>
public sealed class PprofEncoder
{
    private readonly List<byte> _bytes = [];
    private readonly List<string> _strings = [""];
    private ulong _lastFunction;
    private ulong _lastLocation;
    private ulong _lastMapping;

    /// <summary>A heap profile's two sample types, and nothing in it.</summary>
    public static PprofEncoder Heap() => new PprofEncoder().SampleType("inuse_objects", "count").SampleType("inuse_space", "bytes");

    public static byte[] Gzip(byte[] data)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Optimal))
            gzip.Write(data);
        return compressed.ToArray();
    }

    public int Text(string text)
    {
        var index = _strings.IndexOf(text);
        if (index >= 0)
            return index;
        _strings.Add(text);
        return _strings.Count - 1;
    }

    public PprofEncoder SampleType(string type, string unit) => Message(1, Number(1, Text(type)), Number(2, Text(unit)));

    public ulong Function(string name, string file = "", long startLine = 0)
    {
        Message(5, Number(1, (long)++_lastFunction), Number(2, Text(name)), Number(3, Text(name)), Number(4, Text(file)), Number(5, startLine));
        return _lastFunction;
    }

    public ulong Mapping(string file, string buildId = "")
    {
        Message(3, Number(1, (long)++_lastMapping), Number(2, 0x1000), Number(3, 0x9000), Number(5, Text(file)), Number(6, Text(buildId)), Number(7, 1));
        return _lastMapping;
    }

    /// <summary>A location of functions, the innermost inlined one first.</summary>
    public ulong Location(params ulong[] functions) => LocationIn(0, functions);

    public ulong LocationIn(ulong mapping, params ulong[] functions)
    {
        var lines = functions.SelectMany(function => Field(4, [.. Number(1, (long)function), .. Number(2, 7)]));
        Message(4, [.. Number(1, (long)++_lastLocation), .. Number(2, (long)mapping), .. Number(3, 0x1000 + (16 * (long)_lastLocation)), .. lines]);
        return _lastLocation;
    }

    /// <summary>A location of functions with lines, the innermost inlined one first.</summary>
    public ulong LocationOf(ulong mapping, long address, params (ulong Function, long Line)[] lines)
    {
        Message(
            4,
            [
                .. Number(1, (long)++_lastLocation), .. Number(2, (long)mapping), .. Number(3, address),
                .. lines.SelectMany(line => Field(4, [.. Number(1, (long)line.Function), .. Number(2, line.Line)])),
            ]);
        return _lastLocation;
    }

    /// <summary>One location of one function.</summary>
    public ulong At(string function) => Location(Function(function));

    /// <summary>A sample of a stack, the innermost frame first.</summary>
    public PprofEncoder Sample(ulong[] stack, params long[] values) => Sample(stack, values, []);

    public PprofEncoder Sample(ulong[] stack, long[] values, params (string Key, string Text)[] labels) =>
        Message(
            2,
            [
                // Long lists are packed, short ones are not: both are allowed, and both have to be read.
                .. stack.Length > 2 ? Field(1, [.. stack.SelectMany(Varint)]) : stack.SelectMany(id => Number(1, (long)id)),
                .. values.Length > 2 ? Field(2, [.. values.SelectMany(value => Varint((ulong)value))]) : values.SelectMany(value => Number(2, value)),
                .. labels.SelectMany(label => Field(3, [.. Number(1, Text(label.Key)), .. Number(2, Text(label.Text))])),
            ]);

    public PprofEncoder LabeledSample(ulong[] stack, long[] values, (string Key, string Text)[] texts, (string Key, long Number, string Unit)[] numbers) =>
        Message(
            2,
            [
                .. stack.SelectMany(id => Number(1, (long)id)),
                .. values.SelectMany(value => Number(2, value)),
                .. texts.SelectMany(label => Field(3, [.. Number(1, Text(label.Key)), .. Number(2, Text(label.Text))])),
                .. numbers.SelectMany(label => Field(3, [.. Number(1, Text(label.Key)), .. Number(3, label.Number), .. Number(4, Text(label.Unit))])),
            ]);

    public PprofEncoder NumberLabel(ulong[] stack, long[] values, string key, long number, string unit) =>
        Message(
            2,
            [
                .. stack.SelectMany(id => Number(1, (long)id)),
                .. values.SelectMany(value => Number(2, value)),
                .. Field(3, [.. Number(1, Text(key)), .. Number(3, number), .. Number(4, Text(unit))]),
            ]);

    public PprofEncoder TextField(int field, string text) => Raw(Number(field, Text(text)));

    public PprofEncoder NumberField(int field, long number) => Raw(Number(field, number));

    public PprofEncoder Message(int field, params byte[][] parts) => Raw(Field(field, [.. parts.SelectMany(part => part)]));

    public PprofEncoder Message(int field, byte[] content) => Raw(Field(field, content));

    public PprofEncoder Raw(byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    /// <summary>The profile, with its string table at the end.</summary>
    public byte[] ToArray() => [.. _bytes, .. _strings.SelectMany(text => Field(6, Encoding.UTF8.GetBytes(text)))];

    public byte[] ToGzip() => Gzip(ToArray());

    public static byte[] Number(int field, long number) => [.. Varint((ulong)field << 3), .. Varint((ulong)number)];

    public static byte[] Field(int field, byte[] content) => [.. Varint(((ulong)field << 3) | 2), .. Varint((ulong)content.Length), .. content];

    public static byte[] Varint(ulong number)
    {
        var bytes = new List<byte>();
        for (; number >= 0x80; number >>= 7)
            bytes.Add((byte)(number | 0x80));
        bytes.Add((byte)number);
        return [.. bytes];
    }
}
