using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Premortem.Sidecar.Uploads;

/// <summary>What .NET does not offer for files that must outlive a crash and must not count as the container's memory.</summary>
internal static partial class DiskSync
{
    private const int DirectoryOnly = 0x10000 | 0x80000; // O_RDONLY | O_DIRECTORY | O_CLOEXEC
    private const int Random = 1; // POSIX_FADV_RANDOM
    private const int DontNeed = 4; // POSIX_FADV_DONTNEED
    private const uint WaitWriteWait = 1 | 2 | 4; // SYNC_FILE_RANGE_WAIT_BEFORE | _WRITE | _WAIT_AFTER

    /// <summary>Puts a folder's entries onto the disk: a renamed file is only then there after a power cut.</summary>
    /// <exception cref="IOException">The disk refused; <see cref="Exception.HResult"/> is the errno.</exception>
    internal static void SyncFolder(string path)
    {
        var folder = Open(path, DirectoryOnly);
        if (folder < 0)
            throw Failed(path);
        try
        {
            // Some network file systems know no fsync of a folder (EINVAL): they have no later moment to lose it in.
            if (Fsync(folder) != 0 && Marshal.GetLastPInvokeError() is not (22 or 95))
                throw Failed(path);
        }
        finally
        {
            _ = Close(folder);
        }
    }

    /// <summary>
    /// Gives a range of a file's page cache back, so that it does not count against the container's limit. Only clean pages go: sync
    /// first. It is advice; the kernel may decline, so nothing hangs on it.
    /// </summary>
    internal static void DropPageCache(SafeFileHandle file, long offset = 0, long length = 0) => _ = Advise(file, offset, length, DontNeed);

    /// <summary>
    /// Reads no further ahead than is asked for. A disk's read-ahead may be 8 MiB and more, several times over, all of it charged to the
    /// container that reads.
    /// </summary>
    internal static void ReadNoFurther(SafeFileHandle file) => _ = Advise(file, 0, 0, Random);

    /// <summary>
    /// Puts a range of a file onto the disk, without what would be needed after a crash: so that <see cref="DropPageCache"/> finds it
    /// clean. A file system that knows no such thing keeps its pages.
    /// </summary>
    internal static void SyncRange(SafeFileHandle file, long offset, long length) => _ = SyncFileRange(file, offset, length, WaitWriteWait);

    private static IOException Failed(string path)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new IOException($"{Marshal.GetPInvokeErrorMessage(errno)}: '{path}'", errno);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int SyncFileRange(SafeFileHandle file, long offset, long length, uint flags);

    [LibraryImport("libc", EntryPoint = "posix_fadvise64")]
    private static partial int Advise(SafeFileHandle file, long offset, long length, int advice);
}
