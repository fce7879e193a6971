using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Premortem.Dumps;

/// <summary>What the headers of a library or a core say: ELF of 64 bits, little-endian, as elf.h has it. Every figure in them is a claim.</summary>
internal static class ElfFile
{
    private const int HeaderBytes = 64, SegmentBytes = 56, NoteHeaderBytes = 12;
    private const int MostNoteBytes = 64 << 10;
    private const uint Note = 4, GnuBuildId = 3;

    /// <summary>The number that the linker gave, by which two copies of a library are known to be one: <c>NT_GNU_BUILD_ID</c>.</summary>
    /// <returns>Null: the file has none, or is no such library.</returns>
    public static byte[]? BuildIdOf(string path)
    {
        try
        {
            using var file = File.OpenHandle(path);
            foreach (var (type, offset, length) in Segments(file))
            {
                if (type != Note || offset > (ulong)RandomAccess.GetLength(file))
                    continue;
                var notes = new byte[(int)Math.Min(length, MostNoteBytes)];
                if (BuildIdIn(notes.AsSpan(0, RandomAccess.Read(file, notes, (long)offset))) is { } id)
                    return id;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then it is not known.
        }
        return null;
    }

    /// <summary>How long the file is, and where the last of its segments ends: one that is shorter was cut off.</summary>
    public static (ulong Length, ulong End) Extent(string path)
    {
        using var file = File.OpenHandle(path);
        ulong end = 0;
        foreach (var (_, offset, length) in Segments(file))
            end = Math.Max(end, length > ulong.MaxValue - offset ? ulong.MaxValue : offset + length);
        return ((ulong)RandomAccess.GetLength(file), end);
    }

    private static List<(uint Type, ulong Offset, ulong Length)> Segments(SafeFileHandle file)
    {
        var segments = new List<(uint, ulong, ulong)>();
        var header = new byte[HeaderBytes];
        if (RandomAccess.Read(file, header, 0) < HeaderBytes || !header.AsSpan().StartsWith("\u007fELF\u0002\u0001"u8))
            return segments;
        var place = BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(32));
        var table = new byte[SegmentBytes * BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(56))];
        var read = place < 0 ? 0 : RandomAccess.Read(file, table, place);
        for (var at = 0; at + SegmentBytes <= read; at += SegmentBytes)
        {
            var segment = table.AsSpan(at, SegmentBytes);
            segments.Add((BinaryPrimitives.ReadUInt32LittleEndian(segment), BinaryPrimitives.ReadUInt64LittleEndian(segment[8..]), BinaryPrimitives.ReadUInt64LittleEndian(segment[32..])));
        }
        return segments;
    }

    private static byte[]? BuildIdIn(ReadOnlySpan<byte> notes)
    {
        while (notes.Length >= NoteHeaderBytes)
        {
            var (nameBytes, bytes) = (BinaryPrimitives.ReadUInt32LittleEndian(notes), BinaryPrimitives.ReadUInt32LittleEndian(notes[4..]));
            var type = BinaryPrimitives.ReadUInt32LittleEndian(notes[8..]);
            notes = notes[NoteHeaderBytes..];
            var (name, content) = (Aligned(nameBytes), Aligned(bytes));
            if (name + content > notes.Length)
                return null;
            if (type == GnuBuildId && notes[..(int)nameBytes].SequenceEqual("GNU\0"u8))
                return notes.Slice((int)name, (int)bytes).ToArray();
            notes = notes[(int)(name + content)..];
        }
        return null;
    }

    private static long Aligned(uint length) => (length + 3L) & ~3L;
}
