using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Premortem.Contracts;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// The file that a runtime is asked to write a dump to. It is reached by a handle of its folder, which is there when the process has
/// died and <c>/proc/PID</c> with it; and it is gone when this is disposed of.
/// </summary>
internal sealed partial class DumpFile : IDisposable
{
    private const int PieceBytes = 4 << 20;
    private const int ElfHeaderBytes = 18;
    private const ushort ElfCore = 4;

    private const int NonBlocking = 0x800, CloseOnExec = 0x80000;

    // O_DIRECTORY and O_NOFOLLOW are the two that the processors number differently.
    private static readonly bool s_isArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;
    private static readonly int s_directory = s_isArm ? 0x4000 : 0x10000;
    private static readonly int s_noFollow = s_isArm ? 0x8000 : 0x20000;

    private readonly SafeFileHandle _folder;
    private readonly string _name = $"premortem-{Guid.NewGuid():N}.dmp";

    /// <exception cref="ReceiveException">The folder cannot be opened.</exception>
    internal DumpFile(DumpFolder folder)
    {
        _folder = Open(folder.FromHere, s_directory | CloseOnExec);
        if (_folder.IsInvalid)
            throw new ReceiveException(Reasons.AccessDenied, $"{folder.OfTarget} of the target cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}");
        PathOfTarget = $"{folder.OfTarget.TrimEnd('/')}/{_name}";
    }

    /// <summary>Where the target is to write it.</summary>
    internal string PathOfTarget { get; }

    private string PathFromHere => $"/proc/self/fd/{_folder.DangerousGetHandle()}/{_name}";

    public void Dispose()
    {
        try
        {
            File.Delete(PathFromHere);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The folder is the target's to rule; there is nothing more to be done about it.
        }
        _folder.Dispose();
    }

    /// <summary>Writes the dump on, and gives its pages back as it goes, so that they count against nobody's limit.</summary>
    /// <returns>Its length.</returns>
    /// <exception cref="ReceiveException">It is no dump.</exception>
    internal async Task<long> CopyToAsync(Stream destination, Action check, CancellationToken ct)
    {
        // The folder is the target's: it may have put a link or a pipe in the dump's place, and must not have other files read for it.
        using var file = Open(PathFromHere, s_noFollow | NonBlocking | CloseOnExec);
        if (file.IsInvalid)
            throw new ReceiveException(Reasons.InvalidContent, $"the runtime says that it wrote {PathOfTarget}, which cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}");
        var buffer = ArrayPool<byte>.Shared.Rent(ReceivedBody.BufferBytes);
        try
        {
            var length = LengthOf(file);
            for (long at = 0, dropped = 0; at < length;)
            {
                var read = RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(ReceivedBody.BufferBytes, length - at)), at);
                if (read == 0)
                    throw new ReceiveException(Reasons.InvalidContent, $"the dump became shorter while it was read: {at} of {length} bytes");
                await destination.WriteAsync(buffer.AsMemory(0, read), ct);
                check();
                at += read;
                if (at - dropped < PieceBytes)
                    continue;
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
