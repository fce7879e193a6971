using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Premortem.Sidecar.Targets;

/// <summary>
/// The segments and sections of an ELF file, 32 or 64 bits, either byte order; read by position, a few KiB of a file of any size.
/// The file belongs to the watched program: every figure in it is a claim, and none makes this read or allocate without bound.
/// </summary>
internal sealed class ElfImage
{
    private const int MaxSegments = 64;
    private const int MaxSections = 512;
    private const int MaxNameBytes = 64 * 1024;
    private const uint Load = 1;

    private readonly SafeFileHandle _file;
    private readonly bool _is64;
    private readonly bool _bigEndian;
    private readonly List<Segment> _segments = [];
    private readonly List<(uint Name, ulong Address)> _sections = [];
    private byte[] _sectionNames = [];

    private ElfImage(SafeFileHandle file, bool is64, bool bigEndian)
    {
        _file = file;
        _is64 = is64;
        _bigEndian = bigEndian;
    }

    /// <summary>What the file's headers say is loaded into memory.</summary>
    internal IReadOnlyList<Segment> Segments => _segments;

    /// <summary>Whether there is a section table whose names can be read; packers and some linkers leave none.</summary>
    internal bool HasSections => _sectionNames.Length > 0;

    /// <returns>Null where the file is no ELF file, or one whose headers make no sense.</returns>
    internal static ElfImage? TryRead(SafeFileHandle file)
    {
        Span<byte> header = stackalloc byte[64];
        var read = RandomAccess.Read(file, header, 0);
        if (read < 52 || !header.StartsWith("\u007fELF"u8) || header[4] is not (1 or 2) || header[5] is not (1 or 2))
            return null;
        var image = new ElfImage(file, is64: header[4] == 2, bigEndian: header[5] == 2);
        if (image._is64 && read < 64)
            return null;
        image.ReadSegments(header);
        if (image._segments.Count == 0)
            return null;
        image.ReadSections(header);
        return image;
    }

    /// <summary>The virtual address of the first section of that name.</summary>
    internal ulong? FindSection(ReadOnlySpan<byte> name)
    {
        foreach (var (at, address) in _sections)
        {
            if (at >= _sectionNames.Length)
                continue;
            var rest = _sectionNames.AsSpan((int)at);
            if (rest.Length > name.Length && rest.StartsWith(name) && rest[name.Length] == 0)
                return address;
        }
        return null;
    }

    /// <summary>Reads what the file holds at a virtual address.</summary>
    /// <returns>The bytes read: fewer than asked for at the end of a segment or of the file, 0 where nothing is mapped.</returns>
    internal int Read(ulong address, Span<byte> into)
    {
        foreach (var segment in _segments)
        {
            if (address < segment.Address || address - segment.Address >= segment.FileBytes)
                continue;
            var skip = address - segment.Address;
            var count = (int)Math.Min((ulong)into.Length, segment.FileBytes - skip);
            return ReadAt(segment.FileOffset + skip, into[..count]);
        }
        return 0;
    }

    private void ReadSegments(ReadOnlySpan<byte> header)
    {
        var table = _is64 ? U64(header[32..]) : U32(header[28..]);
        var size = U16(header[(_is64 ? 54 : 42)..]);
        var count = Math.Min(U16(header[(_is64 ? 56 : 44)..]), (ushort)MaxSegments);
        var expected = _is64 ? 56 : 32;
        if (size != expected)
            return;
        var bytes = new byte[count * expected];
        var whole = ReadAt(table, bytes) / expected;
        for (var i = 0; i < whole; i++)
        {
            var entry = bytes.AsSpan(i * expected, expected);
            if (U32(entry) != Load)
                continue;
            var segment = _is64
                ? new Segment(U64(entry[16..]), U64(entry[8..]), U64(entry[32..]), U32(entry[4..]))
                : new Segment(U32(entry[8..]), U32(entry[4..]), U32(entry[16..]), U32(entry[24..]));
            if (segment.FileBytes > 0)
                _segments.Add(segment);
        }
    }

    private void ReadSections(ReadOnlySpan<byte> header)
    {
        var table = _is64 ? U64(header[40..]) : U32(header[32..]);
        var size = U16(header[(_is64 ? 58 : 46)..]);
        var count = Math.Min(U16(header[(_is64 ? 60 : 48)..]), (ushort)MaxSections);
        var names = U16(header[(_is64 ? 62 : 50)..]);
        var expected = _is64 ? 64 : 40;
        if (table == 0 || size != expected || names >= count)
            return;
        var bytes = new byte[count * expected];
        if (ReadAt(table, bytes) < bytes.Length)
            return;
        for (var i = 0; i < count; i++)
        {
            var entry = bytes.AsSpan(i * expected, expected);
            _sections.Add((U32(entry), _is64 ? U64(entry[16..]) : U32(entry[12..])));
        }
        var strings = bytes.AsSpan(names * expected, expected);
        var offset = _is64 ? U64(strings[24..]) : U32(strings[16..]);
        var length = _is64 ? U64(strings[32..]) : U32(strings[20..]);
        var buffer = new byte[(int)Math.Min(length, MaxNameBytes)];
        _sectionNames = buffer[..ReadAt(offset, buffer)];
    }

    private int ReadAt(ulong offset, Span<byte> into)
    {
        var total = 0;
        while (total < into.Length && offset <= long.MaxValue - (ulong)into.Length)
        {
            var read = RandomAccess.Read(_file, into[total..], (long)offset + total);
            if (read == 0)
                break;
            total += read;
        }
        return total;
    }

    private ushort U16(ReadOnlySpan<byte> at) =>
        _bigEndian ? BinaryPrimitives.ReadUInt16BigEndian(at) : BinaryPrimitives.ReadUInt16LittleEndian(at);

    private uint U32(ReadOnlySpan<byte> at) =>
        _bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(at) : BinaryPrimitives.ReadUInt32LittleEndian(at);

    private ulong U64(ReadOnlySpan<byte> at) =>
        _bigEndian ? BinaryPrimitives.ReadUInt64BigEndian(at) : BinaryPrimitives.ReadUInt64LittleEndian(at);

    internal readonly record struct Segment(ulong Address, ulong FileOffset, ulong FileBytes, uint Flags)
    {
        /// <summary>Writable and not executable: where a linker puts data.</summary>
        internal bool IsData => (Flags & 3) == 2;
    }
}
