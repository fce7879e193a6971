using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Premortem.Profiles.Nettrace;

/// <summary>
/// Reads little-endian values one after the other. What lies past the end is zero and sets <see cref="IsShort"/>: whoever reads asks once, at
/// the end, and a hostile stream cannot make each of its events cost an exception.
/// </summary>
internal ref struct PayloadReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>Whether something was asked for that is not there.</summary>
    public bool IsShort { get; private set; }

    public int Position { get; private set; }

    public readonly int Left => _bytes.Length - Position;

    public byte UInt8() => Take(1) is [var value] ? value : (byte)0;

    public ushort UInt16() => Take(2) is { Length: 2 } value ? BinaryPrimitives.ReadUInt16LittleEndian(value) : (ushort)0;

    public int Int32() => (int)UInt32();

    public uint UInt32() => Take(4) is { Length: 4 } value ? BinaryPrimitives.ReadUInt32LittleEndian(value) : 0;

    public long Int64() => (long)UInt64();

    public ulong UInt64() => Take(8) is { Length: 8 } value ? BinaryPrimitives.ReadUInt64LittleEndian(value) : 0;

    /// <param name="pointerSize">4 or 8.</param>
    public ulong Pointer(int pointerSize) => pointerSize == 8 ? UInt64() : UInt32();

    /// <summary>A number of seven bits a byte, the lowest first.</summary>
    public uint VarUInt32()
    {
        var value = VarUInt64();
        if (value > uint.MaxValue)
            IsShort = true;
        return (uint)value;
    }

    public ulong VarUInt64()
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            var b = UInt8();
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
                return value;
        }
        IsShort = true;
        return 0;
    }

    /// <summary>UTF-16 up to its terminating zero, which is taken too.</summary>
    public ReadOnlySpan<char> Text()
    {
        var characters = MemoryMarshal.Cast<byte, char>(_bytes[Position..]);
        var length = characters.IndexOf('\0');
        if (length < 0)
        {
            IsShort = true;
            Position = _bytes.Length;
            return default;
        }
        Position += (length + 1) * sizeof(char);
        return characters[..length];
    }

    public ReadOnlySpan<byte> Take(int count)
    {
        if ((uint)count > (uint)Left)
        {
            IsShort = true;
            Position = _bytes.Length;
            return default;
        }
        Position += count;
        return _bytes.Slice(Position - count, count);
    }
}
