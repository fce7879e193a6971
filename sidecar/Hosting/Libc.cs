using System.Runtime.InteropServices;

namespace Premortem.Sidecar.Hosting;

/// <summary>The few calls to the system that .NET has no API for. Numbers are those of Linux on x86-64 and arm64, where they agree.</summary>
internal static unsafe partial class Libc
{
    public const short PollIn = 1;
    public const int Eintr = 4;

    /// <summary><c>PIDFD_GET_INFO</c>, <c>_IOWR(0xFF, 11, 64 bytes)</c>: Linux 6.13 and later.</summary>
    public const nuint PidfdGetInfo = 0xC040FF0B;

    private const int PrSetDumpable = 4;
    private const long SysPidfdOpen = 434;
    private const int EfdCloexec = 0x80000;
    private const int EfdNonblock = 0x800;

    public static int PidfdOpen(int pid) => (int)Syscall(SysPidfdOpen, pid, 0);

    public static int EventFd() => EventFdCall(0, EfdCloexec | EfdNonblock);

    /// <summary>Closes this program's memory, environment and files in /proc to others of its user. Children open themselves again by what they execute.</summary>
    public static void CloseToOthers() => _ = Prctl(PrSetDumpable, 0, 0, 0, 0);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(PollFd* fds, nuint count, int timeoutMilliseconds);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int fd, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int fd, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Ioctl(int fd, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "statfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Statfs(string path, StatfsBuffer* buffer);

    [LibraryImport("libc", EntryPoint = "madvise")]
    public static partial int Madvise(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Prctl(int option, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long Syscall(long number, long a, long b);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFdCall(uint initial, int flags);

    /// <summary>The beginning of <c>struct statfs</c>, with room for the rest of it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    public struct StatfsBuffer
    {
        public long Type;
        public long BlockBytes;
        public ulong Blocks;
        public ulong FreeBlocks;
        public ulong AvailableBlocks;
        public ulong Files;
        public ulong FreeFiles;
        public ulong Id;
        public long NameBytes;
        public long FragmentBytes;
        public long Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct PollFd
    {
        public int Fd;
        public short Events;
        public short Revents;
    }
}
