using System.Runtime.InteropServices;

namespace Premortem.Sidecar.Hosting;

/// <summary>
/// The file system that a path lies on, as the kernel tells of the path itself. <see cref="DriveInfo"/> looks for it among the mounts of
/// this program, where those of another container, and the root of a chroot, do not stand.
/// </summary>
/// <param name="FreeBytes">What it has left for a user without privileges.</param>
/// <param name="IsInMemory">Whether what is written there takes memory.</param>
/// <param name="IsReadOnly">Whether nobody can write there, as with a read-only root file system.</param>
internal readonly record struct FileSystem(long FreeBytes, bool IsInMemory, bool IsReadOnly)
{
    private const long ReadOnlyFlag = 1;
    private const uint Tmpfs = 0x01021994;
    private const uint Ramfs = 0x858458F6;

    /// <exception cref="IOException">The path cannot be reached.</exception>
    public static unsafe FileSystem Of(string path)
    {
        var buffer = default(Libc.StatfsBuffer);
        if (Libc.Statfs(path, &buffer) != 0)
            throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");
        var unit = buffer.FragmentBytes > 0 ? buffer.FragmentBytes : buffer.BlockBytes;
        var free = (UInt128)buffer.AvailableBlocks * (ulong)unit;
        return new FileSystem(free < long.MaxValue ? (long)free : long.MaxValue, (uint)buffer.Type is Tmpfs or Ramfs, (buffer.Flags & ReadOnlyFlag) != 0);
    }
}
