using Premortem.Sidecar.Targets;

namespace Premortem.Sidecar.Memory;

/// <summary>What this program itself has been given: its own cgroups, v1 or v2.</summary>
internal sealed class OwnCgroup(ProcFs proc, TimeProvider time) : IDisposable
{
    private readonly KernelFile? _stat = CgroupLocation.Of(proc, Environment.ProcessId, "cpu")?.Directory is { } directory
        ? KernelFile.TryOpen(Path.Combine(directory, "cpu.stat"))
        : null;

    /// <summary>How long its tasks were kept from running because its quota was used up; null where that is not told.</summary>
    public TimeSpan? ReadThrottled()
    {
        if (_stat is null)
            return null;
        var stat = _stat.Read();
        // v2 counts microseconds, v1 nanoseconds.
        if (KernelFile.Number(stat, "throttled_usec"u8) is { } microseconds)
            return TimeSpan.FromMicroseconds(microseconds);
        return KernelFile.Number(stat, "throttled_time"u8) is { } nanoseconds ? TimeSpan.FromMicroseconds(nanoseconds / 1000) : null;
    }

    /// <summary>How much more memory it may take before it is killed; null: there is no limit, or none that can be read. Safe from any thread.</summary>
    public long? ReadRoom()
    {
        if (CgroupLocation.Of(proc, Environment.ProcessId) is not { Directory: { } directory, MountPoint: { } mount })
            return null;
        using var memory = CgroupMemory.TryOpen(directory, mount, time);
        return memory is not null && memory.TryRead(out var reading) && reading.LimitBytes is { } limit ? Math.Max(0, limit - reading.UnreclaimableBytes) : null;
    }

    public void Dispose() => _stat?.Dispose();
}
