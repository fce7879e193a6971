using System.Buffers.Binary;
using System.Text;

namespace Premortem.Sidecar.Tests.Targets;

/// <summary>An ELF file with one text and one data segment, whose data segment holds Go build information where the test puts it.</summary>
internal sealed record CraftedElf
{
    internal const string GoVersion = "go1.99.7";
    internal const string Modules = "path\tshop.example/checkout/cmd/server\nmod\tshop.example/checkout\tv1.2.3\th1:abc=\ndep\tother.example/x\tv0.1.0\n";

    private const int DataOffset = 0x1000;
    private const ulong DataAddress = 0x50_1000;

    public bool Is64 { get; init; } = true;

    public bool BigEndian { get; init; }

    /// <summary>The form up to Go 1.17: two pointers to strings, in place of the strings themselves.</summary>
    public bool Pointers { get; init; }

    public bool Sections { get; init; } = true;

    /// <summary>Where in the data segment the blob stands.</summary>
    public int BlobOffset { get; init; } = 0x40;

    public int DataBytes { get; init; } = 0x4000;

    private int PointerBytes => Is64 ? 8 : 4;

    internal byte[] ToBytes()
    {
        var file = new byte[DataOffset + DataBytes + 0x400];
        var data = file.AsSpan(DataOffset, DataBytes);
        "\u007fELF"u8.CopyTo(file);
        file[4] = (byte)(Is64 ? 2 : 1);
        file[5] = (byte)(BigEndian ? 2 : 1);
        var programs = Is64 ? 64 : 52;
        Word(file, Is64 ? 32 : 28, (ulong)programs);
        U16(file, Is64 ? 54 : 42, Is64 ? 56 : 32);
        U16(file, Is64 ? 56 : 44, 2);
        Segment(file, programs, flags: 5, offset: 0, address: 0x40_0000, bytes: DataOffset);
        Segment(file, programs + (Is64 ? 56 : 32), flags: 6, offset: DataOffset, address: DataAddress, bytes: DataBytes);
        if (Sections)
            AddSections(file, DataOffset + DataBytes);
        Blob(data);
        return file;
    }

    private void Blob(Span<byte> data)
    {
        var modules = Encoding.UTF8.GetBytes(new string('<', 16) + Modules + new string('>', 16));
        var version = Encoding.UTF8.GetBytes(GoVersion);
        var blob = data[BlobOffset..];
        blob[0] = 0xff;
        " Go buildinf:"u8.CopyTo(blob[1..]);
        blob[14] = (byte)PointerBytes;
        blob[15] = (byte)((BigEndian ? 1 : 0) | (Pointers ? 0 : 2));
        if (!Pointers)
        {
            blob[32] = (byte)version.Length;
            version.CopyTo(blob[33..]);
            var at = 33 + version.Length;
            blob[at++] = (byte)(modules.Length | 0x80);
            blob[at++] = (byte)(modules.Length >> 7);
            modules.CopyTo(blob[at..]);
            return;
        }
        var strings = BlobOffset + 0x100;
        Word(blob, 16, DataAddress + (ulong)strings);
        Word(blob, 16 + PointerBytes, DataAddress + (ulong)strings + 0x20);
        String(data, strings, strings + 0x80, version);
        String(data, strings + 0x20, strings + 0x100, modules);
    }

    private void String(Span<byte> data, int header, int at, byte[] text)
    {
        Word(data, header, DataAddress + (ulong)at);
        Word(data, header + PointerBytes, (ulong)text.Length);
        text.CopyTo(data[at..]);
    }

    private void AddSections(byte[] file, int at)
    {
        var names = "\0.go.buildinfo\0.shstrtab\0"u8;
        names.CopyTo(file.AsSpan(at));
        var table = at + 0x40;
        var size = Is64 ? 64 : 40;
        Word(file, Is64 ? 40 : 32, (ulong)table);
        U16(file, Is64 ? 58 : 46, size);
        U16(file, Is64 ? 60 : 48, 3);
        U16(file, Is64 ? 62 : 50, 2);
        Section(file, table + size, 1, DataAddress + (ulong)BlobOffset, DataOffset + BlobOffset, 32);
        Section(file, table + (2 * size), 15, 0, at, names.Length);
    }

    private void Section(byte[] file, int at, int name, ulong address, int offset, int bytes)
    {
        U32(file, at, (uint)name);
        Word(file, at + (Is64 ? 16 : 12), address);
        Word(file, at + (Is64 ? 24 : 16), (ulong)offset);
        Word(file, at + (Is64 ? 32 : 20), (ulong)bytes);
    }

    private void Segment(byte[] file, int at, uint flags, int offset, ulong address, int bytes)
    {
        U32(file, at, 1);
        U32(file, at + (Is64 ? 4 : 24), flags);
        Word(file, at + (Is64 ? 8 : 4), (ulong)offset);
        Word(file, at + (Is64 ? 16 : 8), address);
        Word(file, at + (Is64 ? 32 : 16), (ulong)bytes);
    }

    private void U16(Span<byte> file, int at, int value)
    {
        if (BigEndian)
            BinaryPrimitives.WriteUInt16BigEndian(file[at..], (ushort)value);
        else
            BinaryPrimitives.WriteUInt16LittleEndian(file[at..], (ushort)value);
    }

    private void U32(Span<byte> file, int at, uint value)
    {
        if (BigEndian)
            BinaryPrimitives.WriteUInt32BigEndian(file[at..], value);
        else
            BinaryPrimitives.WriteUInt32LittleEndian(file[at..], value);
    }

    private void Word(Span<byte> file, int at, ulong value)
    {
        if (!Is64)
            U32(file, at, (uint)value);
        else if (BigEndian)
            BinaryPrimitives.WriteUInt64BigEndian(file[at..], value);
        else
            BinaryPrimitives.WriteUInt64LittleEndian(file[at..], value);
    }
}
