using System.CommandLine;
using System.IO.Compression;
using Premortem.Contracts;
using Premortem.Dumps;
using Premortem.Profiles.Heaps;

namespace Premortem.Cli.Reports;

/// <summary>A dump of a .NET process, gzip or not. To be read it has to lie uncompressed on a disk, as large as the process was.</summary>
internal static class DumpInput
{
    private const int PieceBytes = 1 << 20;
    private const long DiskReserveBytes = 1 << 30;

    internal static Option<string?> Dac() => new("--dac")
    {
        Description = "Of a .NET dump: the libmscordaccore.so of its runtime. Default: that of the same runtime, where it is installed.",
        HelpName = "file",
    };

    /// <summary>Whether it is one, by its first bytes. What cannot be read twice is none.</summary>
    internal static bool IsOne(Stream content)
    {
        if (!content.CanSeek)
            return false;
        var start = content.Position;
        try
        {
            var first = new byte[DumpedHeap.Magic.Length];
            return content.ReadAtLeast(first, first.Length, throwOnEndOfStream: false) == first.Length && (IsMagic(first) || (IsGzip(first) && IsMagic(Unpacked())));
        }
        finally
        {
            content.Position = start;
        }

        byte[] Unpacked()
        {
            content.Position = start;
            var first = new byte[DumpedHeap.Magic.Length];
            try
            {
                using var gzip = new GZipStream(content, CompressionMode.Decompress, leaveOpen: true);
                gzip.ReadAtLeast(first, first.Length, throwOnEndOfStream: false);
            }
            catch (InvalidDataException)
            {
                // Whoever reads it says what is wrong with it.
            }
            return first;
        }
    }

    /// <param name="path">Where it lies, if it lies in a file.</param>
    /// <exception cref="DumpException">It cannot be read.</exception>
    internal static HeapGraph Read(Stream content, string? path, string? dac, World world, CancellationToken ct)
    {
        var first = new byte[2];
        var start = content.Position;
        content.ReadAtLeast(first, first.Length, throwOnEndOfStream: false);
        content.Position = start;
        if (path is not null && !IsGzip(first))
            return DumpedHeap.Read(path, dac, ct);
        var file = Path.Combine(Path.GetTempPath(), $"premortem-{Guid.NewGuid():n}.dmp");
        try
        {
            // A process's memory is nobody else's business.
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using (var unpacked = new FileStream(file, options))
            using (var source = IsGzip(first) ? new GZipStream(content, CompressionMode.Decompress, leaveOpen: true) : content)
            {
                Copy(source, unpacked, ct);
                world.Errors.WriteLine($"premortem: the dump is unpacked into {Quantity.ForPeople(unpacked.Length)} in {Path.GetTempPath()}, until it is read");
            }
            return DumpedHeap.Read(file, dac, ct);
        }
        catch (InvalidDataException e)
        {
            throw new DumpException("damaged gzip data", e);
        }
        catch (IOException e)
        {
            throw new DumpException($"it has to be unpacked to be read, and {Path.GetTempPath()} does not take it ({e.Message}): TMPDIR names another folder", e);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>A few bytes can unpack into more than any process ever had: the disk's last gigabyte is left to others.</summary>
    private static void Copy(Stream source, FileStream unpacked, CancellationToken ct)
    {
        var room = new DriveInfo(Path.GetTempPath()).AvailableFreeSpace - DiskReserveBytes;
        var piece = new byte[PieceBytes];
        int read;
        while ((read = source.Read(piece)) > 0)
        {
            ct.ThrowIfCancellationRequested();
            if (unpacked.Length + read > room)
                throw new IOException($"it has more than {Quantity.ForPeople(unpacked.Length)}, and the last {Quantity.ForPeople(DiskReserveBytes)} of the disk are left to others");
            unpacked.Write(piece.AsSpan(0, read));
        }
    }

    private static bool IsMagic(ReadOnlySpan<byte> first) => first.SequenceEqual(DumpedHeap.Magic);

    private static bool IsGzip(ReadOnlySpan<byte> first) => first is [0x1F, 0x8B, ..];
}
