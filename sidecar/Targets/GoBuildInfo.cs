using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Premortem.Sidecar.Targets;

/// <summary>
/// What the Go linker writes into every program; also into stripped, static and position-independent ones. The format is that of
/// debug/buildinfo in Go's standard library.
/// </summary>
/// <param name="GoVersion">The toolchain's version as it calls itself, <c>go1.26.0</c>; null where it cannot be read.</param>
/// <param name="MainPackage">The import path of the main package; null without modules.</param>
/// <param name="MainModule">The path of the main module; null without modules.</param>
/// <param name="ModuleVersion">The main module's version, <c>v1.2.3</c> or <c>(devel)</c>; null without modules.</param>
internal sealed record GoBuildInfo(string? GoVersion, string? MainPackage, string? MainModule, string? ModuleVersion)
{
    private const int Alignment = 16;
    private const int HeaderBytes = 32;
    private const int ChunkBytes = 64 * 1024;

    // Where the section table says nothing, the blob may stand behind megabytes of relocated read-only data.
    private const ulong MaxSearchWithSections = 64 * 1024;
    private const ulong MaxSearchWithoutSections = 16 * 1024 * 1024;

    private const int MaxVersionBytes = 256;

    // "path" and "mod" are the first two lines; what follows are the dependencies, which may be thousands.
    private const int MaxModuleInfoBytes = 4096;

    // cmd/go frames the module's lines with two sentinels of this size.
    private const int SentinelBytes = 16;

    private static readonly byte[] Magic = [0xff, .. " Go buildinf:"u8];

    /// <returns>Null where the file is no Go program, or cannot be read.</returns>
    internal static GoBuildInfo? TryRead(string executablePath)
    {
        try
        {
            // Shared in every way: .NET would otherwise put an advisory lock on the program's file.
            using var file = File.OpenHandle(executablePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return TryRead(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }

    private static GoBuildInfo? TryRead(SafeFileHandle file)
    {
        if (ElfImage.TryRead(file) is not { } image || Find(image) is not { } address)
            return null;
        var header = new byte[HeaderBytes];
        if (image.Read(address, header) < HeaderBytes)
            return null;
        var (version, modules) = (header[15] & 2) != 0 ? ReadInline(image, address + HeaderBytes) : ReadPointers(image, header);
        var (package, module, moduleVersion) = ReadModule(modules);
        return new GoBuildInfo(version.Length == 0 ? null : Encoding.UTF8.GetString(version), package, module, moduleVersion);
    }

    private static ulong? Find(ElfImage image)
    {
        if (image.FindSection(".go.buildinfo"u8) is { } section && Search(image, section, MaxSearchWithSections) is { } found)
            return found;
        var left = image.HasSections ? MaxSearchWithSections : MaxSearchWithoutSections;
        foreach (var segment in image.Segments)
        {
            if (!segment.IsData || left == 0)
                continue;
            var length = Math.Min(segment.FileBytes, left);
            if (Search(image, segment.Address, length) is { } at)
                return at;
            left -= length;
        }
        return null;
    }

    private static ulong? Search(ElfImage image, ulong start, ulong length)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            for (ulong done = 0; done < length;)
            {
                var chunk = buffer.AsSpan(0, (int)Math.Min(ChunkBytes, length - done));
                var read = image.Read(start + done, chunk);
                var found = SearchChunk(buffer.AsSpan(0, read), start + done);
                if (found is not null || read < chunk.Length)
                    return found;
                // Chunks overlap, since their ends may cut the magic: a segment's start need not be aligned.
                done += done + (ulong)read < length ? (ulong)(read - Alignment) : (ulong)read;
            }
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static ulong? SearchChunk(ReadOnlySpan<byte> chunk, ulong address)
    {
        for (var from = 0; from < chunk.Length;)
        {
            var at = chunk[from..].IndexOf(Magic);
            if (at < 0)
                return null;
            var blob = address + (ulong)(from + at);
            if (blob % Alignment == 0)
                return blob;
            from += at + 1;
        }
        return null;
    }

    /// <summary>Go 1.18 and later: two strings, each behind its length as a varint, follow the header.</summary>
    private static (byte[] Version, byte[] Modules) ReadInline(ElfImage image, ulong address)
    {
        var buffer = new byte[MaxVersionBytes + MaxModuleInfoBytes + 20];
        var rest = buffer.AsSpan(0, image.Read(address, buffer));
        if (!TryReadVarint(ref rest, out var length) || length > MaxVersionBytes || length > (ulong)rest.Length)
            return ([], []);
        var version = rest[..(int)length].ToArray();
        rest = rest[(int)length..];
        return TryReadVarint(ref rest, out length) ? (version, rest[..(int)Math.Min(length, (ulong)rest.Length)].ToArray()) : (version, []);
    }

    /// <summary>Go up to 1.17: the header points to two Go strings, each an address and a length.</summary>
    private static (byte[] Version, byte[] Modules) ReadPointers(ElfImage image, byte[] header)
    {
        var size = header[14];
        if (size is not (4 or 8))
            return ([], []);
        var bigEndian = header[15] != 0;
        return (
            ReadString(image, Pointer(header.AsSpan(16), size, bigEndian), size, bigEndian, MaxVersionBytes),
            ReadString(image, Pointer(header.AsSpan(16 + size), size, bigEndian), size, bigEndian, MaxModuleInfoBytes));
    }

    private static byte[] ReadString(ElfImage image, ulong address, int size, bool bigEndian, int most)
    {
        Span<byte> words = stackalloc byte[16];
        words = words[..(2 * size)];
        if (image.Read(address, words) < words.Length)
            return [];
        var bytes = new byte[(int)Math.Min(Pointer(words[size..], size, bigEndian), (ulong)most)];
        return bytes[..image.Read(Pointer(words, size, bigEndian), bytes)];
    }

    private static ulong Pointer(ReadOnlySpan<byte> at, int size, bool bigEndian) => (size, bigEndian) switch
    {
        (4, true) => BinaryPrimitives.ReadUInt32BigEndian(at),
        (4, false) => BinaryPrimitives.ReadUInt32LittleEndian(at),
        (_, true) => BinaryPrimitives.ReadUInt64BigEndian(at),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(at),
    };

    private static bool TryReadVarint(ref Span<byte> rest, out ulong value)
    {
        value = 0;
        for (var i = 0; i < 10 && i < rest.Length; i++)
        {
            value |= (ulong)(rest[i] & 0x7f) << (7 * i);
            if ((rest[i] & 0x80) != 0)
                continue;
            rest = rest[(i + 1)..];
            return true;
        }
        return false;
    }

    private static (string? Package, string? Module, string? Version) ReadModule(byte[] framed)
    {
        if (framed.Length <= SentinelBytes)
            return (null, null, null);
        string? package = null;
        var lines = Encoding.UTF8.GetString(framed.AsSpan(SentinelBytes)).Split('\n', 8);
        foreach (var line in lines)
        {
            var fields = line.Split('\t');
            if (fields is ["path", var path])
                package = path;
            else if (fields is ["mod", var module, var version, ..])
                return (package, module, version);
        }
        return (package, null, null);
    }
}
