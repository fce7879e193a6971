using System.Buffers;

namespace Premortem.Profiles.Pprof;

/// <summary>Writes the few forms of protobuf that a profile needs.</summary>
internal sealed class ProtoWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    internal ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    internal void Clear() => _bytes.ResetWrittenCount();

    internal void Varint(ulong number)
    {
        const int longest = 10;
        var span = _bytes.GetSpan(longest);
        var length = 0;
        for (; number >= 0x80; number >>= 7)
            span[length++] = (byte)(number | 0x80);
        span[length++] = (byte)number;
        _bytes.Advance(length);
    }

    /// <summary>A number; zero, which is what a field that is not there means, is left out.</summary>
    internal void Number(int field, long number)
    {
        if (number == 0)
            return;
        Varint((ulong)field << 3);
        Varint((ulong)number);
    }

    internal void Bytes(int field, ReadOnlySpan<byte> content)
    {
        Varint(((ulong)field << 3) | 2);
        Varint((ulong)content.Length);
        _bytes.Write(content);
    }

    internal void Message(int field, ProtoWriter content)
    {
        Bytes(field, content.Written);
        content.Clear();
    }
}
