namespace Premortem.Sidecar.Hosting;

/// <summary>Waits for a time, for descriptors to become readable, or to be woken by another thread; whatever comes first.</summary>
internal sealed unsafe class Waiter : IDisposable
{
    private readonly int _wake = Libc.EventFd();
    private Libc.PollFd[] _fds = new Libc.PollFd[8];

    public void Wake()
    {
        ulong one = 1;
        _ = Libc.Write(_wake, &one, sizeof(ulong));
    }

    /// <summary>Returns after <paramref name="timeout"/> at the latest, rounded up to a millisecond.</summary>
    public void Wait(IReadOnlyList<int> descriptors, TimeSpan timeout)
    {
        if (_fds.Length < descriptors.Count + 1)
            _fds = new Libc.PollFd[(descriptors.Count + 1) * 2];
        _fds[0] = new Libc.PollFd { Fd = _wake, Events = Libc.PollIn };
        for (var i = 0; i < descriptors.Count; i++)
            _fds[i + 1] = new Libc.PollFd { Fd = descriptors[i], Events = Libc.PollIn };
        var milliseconds = (int)Math.Clamp(Math.Ceiling(timeout.TotalMilliseconds), 0, int.MaxValue);
        fixed (Libc.PollFd* fds = _fds)
        {
            // An interrupted wait is a short one: the caller looks at the clock anyway.
            if (Libc.Poll(fds, (nuint)(descriptors.Count + 1), milliseconds) > 0 && fds[0].Revents != 0)
            {
                ulong count;
                _ = Libc.Read(_wake, &count, sizeof(ulong));
            }
        }
    }

    /// <summary>Whether a descriptor is readable now.</summary>
    public static bool IsReadable(int descriptor)
    {
        var fd = new Libc.PollFd { Fd = descriptor, Events = Libc.PollIn };
        return Libc.Poll(&fd, 1, 0) > 0;
    }

    public void Dispose() => _ = Libc.Close(_wake);
}
