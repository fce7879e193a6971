using System.Buffers.Binary;
using System.Text;
using Premortem.Contracts;

namespace Premortem.Sidecar.Diagnostics;

/// <summary>The payload of an answer, read from its start on. What is too short for what it should hold is refused.</summary>
internal sealed class IpcPayload(byte[] bytes)
{
    private int _at;

    public int Length => bytes.Length;

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public Guid Guid() => new(Take(16));

    public string Text()
    {
        var characters = UInt32();
        if (characters > int.MaxValue / 2)
            throw TooShort();
        return Encoding.Unicode.GetString(Take((int)characters * 2)).TrimEnd('\0');
    }

    /// <summary>A text, where there is one.</summary>
    public string? TryText()
    {
        try
        {
            return Text();
        }
        catch (DiagnosticsException)
        {
            return null;
        }
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > bytes.Length - _at)
            throw TooShort();
        _at += count;
        return bytes.AsSpan(_at - count, count);
    }

    private static DiagnosticsException TooShort() => new(Reasons.InvalidContent, "the answer ends before what it should hold");
}
