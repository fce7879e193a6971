using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Premortem.Contracts;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// The file that a runtime is asked to write a dump to. It is reached by a handle of its folder, which is there when the process has
/// died and <c>/proc/PID</c> with it; and it is gone when this is disposed of, or soon after where nobody knows whether it is still
/// being written.
/// </summary>
internal sealed partial class DumpFile : IDisposable
{
    private const int PieceBytes = 4 << 20;

    /// <summary>What the slowest disk, and a compressor with a tenth of a core, get through in a second.</summary>
    private const long LeastBytesPerSecond = 4 << 20;
    private const int ElfHeaderBytes = 18;
    private const ushort ElfCore = 4;

    private const int NonBlocking = 0x800, CloseOnExec = 0x80000;

    // O_DIRECTORY and O_NOFOLLOW are the two that the processors number differently.
    private static readonly bool s_isArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;
    private static readonly int s_directory = s_isArm ? 0x4000 : 0x10000;
    private static readonly int s_noFollow = s_isArm ? 0x8000 : 0x20000;

    // createdump goes on by itself when its runtime died or was given up, and makes its file when it has looked around.
    private static readonly TimeSpan LateWithin = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LatePoll = TimeSpan.FromMilliseconds(200);

    private readonly TimeProvider _time;
    private readonly SafeFileHandle _folder;
    private readonly string _name = $"premortem-{Guid.NewGuid():N}.dmp";

    /// <exception cref="ReceiveException">The folder cannot be opened.</exception>
    internal DumpFile(DumpFolder folder, TimeProvider time)
    {
        _time = time;
        _folder = Open(folder.FromHere, s_directory | CloseOnExec);
        if (_folder.IsInvalid)
            throw new ReceiveException(Reasons.AccessDenied, $"{folder.OfTarget} of the target cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}");
        PathOfTarget = $"{folder.OfTarget.TrimEnd('/')}/{_name}";
    }

    /// <summary>Where the target is to write it.</summary>
    internal string PathOfTarget { get; }

    /// <summary>Whether the runtime answered, so that nobody writes to it any more.</summary>
    internal bool IsAnswered { get; set; }

    /// <summary>What its disk has left, whether the target still lives or not; null: it cannot be asked.</summary>
    internal long? FreeBytes => DumpFolder.FreeBytesOf(FolderFromHere);

    private string FolderFromHere => $"/proc/self/fd/{_folder.DangerousGetHandle()}";

    private string PathFromHere => $"{FolderFromHere}/{_name}";

    public void Dispose()
    {
        if (TryDelete() || IsAnswered)
            _folder.Dispose();
        else
            _ = DeleteLateAsync();
    }

    /// <summary>Writes the dump on, and gives its pages back as it goes, so that they count against nobody's limit.</summary>
    /// <param name="allowance">What it may take beside the time that its length takes.</param>
    /// <param name="check">Throws when there is a reason to end.</param>
    /// <returns>Its length.</returns>
    /// <exception cref="ReceiveException">It is no dump, or takes too long.</exception>
    internal async Task<long> CopyToAsync(Stream destination, TimeSpan allowance, Action check, CancellationToken ct)
    {
        // The folder is the target's: it may have put a link or a pipe in the dump's place, and must not have other files read for it.
        using var file = Open(PathFromHere, s_noFollow | NonBlocking | CloseOnExec);
        if (file.IsInvalid)
            throw new ReceiveException(Reasons.InvalidContent, $"the runtime says that it wrote {PathOfTarget}, which cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}");
        DiskSync.ReadNoFurther(file);
        var buffer = ArrayPool<byte>.Shared.Rent(ReceivedBody.BufferBytes);
        try
        {
            var length = LengthOf(file);
            var within = allowance + TimeSpan.FromSeconds(length / LeastBytesPerSecond);
            var start = _time.GetTimestamp();
            for (long at = 0, dropped = 0; at < length;)
            {
                var read = RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(ReceivedBody.BufferBytes, length - at)), at);
                if (read == 0)
                    throw new ReceiveException(Reasons.InvalidContent, $"the dump became shorter while it was read: {at} of {length} bytes");
                await destination.WriteAsync(buffer.AsMemory(0, read), ct);
                check();
                at += read;
                if (at - dropped < PieceBytes && at < length)
                    continue;
                if (_time.GetElapsedTime(start) > within)
                    throw new ReceiveException(Reasons.TimedOut, string.Create(CultureInfo.InvariantCulture, $"{at} of the dump's {length} bytes were read within {Durations.Format(within)}"));
                // They are charged to the target, which wrote them, and stay with it as long as they are dirty.
                DiskSync.SyncRange(file, dropped, at - dropped);
                DiskSync.DropPageCache(file, dropped, at - dropped);
                dropped = at;
            }
            return length;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <returns>Whether there was a file, and it is gone.</returns>
    private bool TryDelete()
    {
        try
        {
            var isThere = File.Exists(PathFromHere);
            File.Delete(PathFromHere);
            return isThere;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The folder is the target's to rule; there is nothing more to be done about it.
            return true;
        }
    }

    private async Task DeleteLateAsync()
    {
        using (_folder)
            for (var start = _time.GetTimestamp(); !TryDelete() && _time.GetElapsedTime(start) < LateWithin;)
                await Task.Delay(LatePoll, _time);
    }

    private static long LengthOf(SafeFileHandle file)
    {
        try
        {
            Span<byte> head = stackalloc byte[ElfHeaderBytes];
            var isCore = RandomAccess.Read(file, head, 0) == head.Length
                && head.StartsWith("\u007fELF"u8) && BinaryPrimitives.ReadUInt16LittleEndian(head[16..]) == ElfCore;
            return isCore ? RandomAccess.GetLength(file) : throw new ReceiveException(Reasons.InvalidContent, "what the runtime wrote is no ELF core dump");
        }
        catch (Exception e) when (e is IOException or NotSupportedException or UnauthorizedAccessException)
        {
            throw new ReceiveException(Reasons.InvalidContent, $"what the runtime wrote is no file: {e.Message}", isCut: false, e);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags);
}
