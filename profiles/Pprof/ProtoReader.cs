using System.Buffers.Binary;

namespace Premortem.Profiles.Pprof;

/// <summary>
/// Walks the fields of one protobuf message, as https://protobuf.dev/programming-guides/encoding/ describes them. It stands on the
/// whole buffer and keeps absolute positions, so that an error can say where it is.
/// </summary>
internal ref struct ProtoReader
{
    internal const int Varint = 0;
    internal const int Bytes = 2;

    private const int Fixed64 = 1;
    private const int Fixed32 = 5;

    private readonly ReadOnlySpan<byte> _data;
    private readonly int _end;

    internal ProtoReader(ReadOnlySpan<byte> data, int start, int length)
    {
        _data = data;
        Position = start;
        _end = start + length;
    }

    internal int Position { get; private set; }

    /// <summary>Where the current field's key stands.</summary>
    internal int FieldStart { get; private set; }

    internal int Field { get; private set; }

    internal int WireType { get; private set; }

    /// <summary>The value of a field that is a number.</summary>
    internal ulong Number { get; private set; }

    /// <summary>Where the content of a field with a length begins.</summary>
    internal int Start { get; private set; }

    /// <summary>How long the content of a field with a length is. It has been checked to lie within this message.</summary>
    internal int Length { get; private set; }

    internal readonly bool AtEnd => Position >= _end;

    internal bool Next()
    {
        if (Position >= _end)
            return false;
        FieldStart = Position;
        var key = ReadVarint();
        if (key >> 3 is 0 or > 0x1FFFFFFF)
            throw new ProfileFormatException($"no protobuf field can have the number {key >> 3}", FieldStart);
        Field = (int)(key >> 3);
        WireType = (int)(key & 7);
        switch (WireType)
        {
            case Varint:
                Number = ReadVarint();
                break;
            case Bytes:
                var length = ReadVarint();
                if (length > (ulong)(_end - Position))
                    throw new ProfileFormatException(
                        $"field {Field} claims {length} bytes where {_end - Position} are left: the profile is cut off or damaged", FieldStart);
                Start = Position;
                Length = (int)length;
                Position += Length;
                break;
            case Fixed64:
                Number = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                break;
            case Fixed32:
                Number = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
                break;
            default:
                throw new ProfileFormatException($"field {Field} has the unknown wire type {WireType}", FieldStart);
        }
        return true;
    }

    internal ulong ReadVarint()
    {
        var position = Position;
        if (position < _end && _data[position] is var first and < 0x80)
        {
            Position = position + 1;
            return first;
        }
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if (position >= _end)
                throw new ProfileFormatException("a number runs past the end: the profile is cut off or damaged", Position);
            var b = _data[position++];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
            {
                Position = position;
                return value;
            }
        }
        throw new ProfileFormatException("a number is longer than ten bytes", Position);
    }

    internal readonly ulong NumberOf(string what) =>
        WireType == Varint ? Number : throw new ProfileFormatException($"{what} is no number (wire type {WireType})", FieldStart);

    /// <summary>A reader of the current field's content, which has to be a message.</summary>
    internal readonly ProtoReader MessageOf(string what) =>
        WireType == Bytes ? new ProtoReader(_data, Start, Length) : throw new ProfileFormatException($"{what} is no message (wire type {WireType})", FieldStart);

    private ReadOnlySpan<byte> Take(int bytes)
    {
        if (_end - Position < bytes)
            throw new ProfileFormatException($"field {Field} runs past the end: the profile is cut off or damaged", FieldStart);
        var taken = _data.Slice(Position, bytes);
        Position += bytes;
        return taken;
    }
}
