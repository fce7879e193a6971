using System.Runtime.InteropServices;
using Premortem.Sidecar.Hosting;

namespace Premortem.Sidecar.Targets;

/// <summary>
/// A process held by a pidfd: its end is noticed at once, and its number cannot come to mean another process. Needs no right over it.
/// </summary>
internal sealed unsafe class ProcessHandle : IDisposable
{
    private readonly ProcFs _proc;
    private int _fd;

    private ProcessHandle(ProcFs proc, int pid, int fd)
    {
        _proc = proc;
        Pid = pid;
        _fd = fd;
    }

    public int Pid { get; }

    /// <summary>The descriptor, which becomes readable when the process ends.</summary>
    public int Descriptor => _fd;

    /// <summary>Null when there is no such process any more.</summary>
    public static ProcessHandle? TryOpen(ProcFs proc, int pid)
    {
        var fd = Libc.PidfdOpen(pid);
        return fd < 0 ? null : new ProcessHandle(proc, pid, fd);
    }

    /// <summary>How it ended, or null where the kernel does not tell: it is asked of a process that has ended.</summary>
    public ExitStatus? ReadExit() =>
        // The pidfd tells once the process was waited for, the zombie before: between the two looks it may be.
        FromPidfd() ?? _proc.ZombieExit(Pid) ?? FromPidfd();

    public void Dispose()
    {
        if (_fd >= 0)
            _ = Libc.Close(_fd);
        _fd = -1;
    }

    private ExitStatus? FromPidfd()
    {
        const ulong exitInfo = 1 << 3;
        var info = new PidfdInfo { Mask = exitInfo };
        return Libc.Ioctl(_fd, Libc.PidfdGetInfo, &info) == 0 && (info.Mask & exitInfo) != 0
            ? ExitStatus.FromWait(info.ExitCode)
            : null;
    }

    /// <summary>The kernel's <c>struct pidfd_info</c>, first version.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 64)]
    private struct PidfdInfo
    {
        public ulong Mask;
        public ulong CgroupId;
        public fixed uint Ids[11];
        public int ExitCode;
    }
}
