namespace Premortem.Sidecar.Memory;

/// <summary>A memory cgroup, v1 or v2.</summary>
internal sealed class CgroupMemory : IMemorySource
{
    /// <summary>v1 writes "no limit" as the largest page-aligned number; nothing real is anywhere near.</summary>
    private const long NoLimit = long.MaxValue / 2;

    private readonly bool _isV2;
    private readonly TimeProvider _time;
    private readonly KernelFile _usage;
    private readonly KernelFile _stat;
    private readonly KernelFile? _events;

    // Limits change rarely, samples are taken up to 200 times a second.
    private static readonly TimeSpan LimitAge = TimeSpan.FromMilliseconds(250);

    // v2 has no file for the limit that holds in effect: it is the lowest on the way to the root.
    private readonly List<KernelFile> _limits;

    // memory.stat costs the kernel many times what the usage does. Where nothing has moved and there is nothing near to fear, as with
    // an idle target, it is asked no more often than the limit; near the limit usage may stand still while memory displaces cache.
    private MemoryReading _last;
    private long? _limit;
    private long? _limitReadAt;

    private CgroupMemory(bool isV2, KernelFile usage, KernelFile stat, KernelFile? events, List<KernelFile> limits, TimeProvider time)
    {
        _time = time;
        _isV2 = isV2;
        _usage = usage;
        _stat = stat;
        _events = events;
        _limits = limits;
    }

    public string Name => _isV2 ? "cgroup v2" : "cgroup v1";

    /// <summary>Opens the memory files of <paramref name="directory"/>; null where there are none, as in a root cgroup.</summary>
    /// <param name="mountPoint">The top of the cgroup file system as this process sees it: ancestors up to it are asked for limits.</param>
    public static CgroupMemory? TryOpen(string directory, string mountPoint, TimeProvider time)
    {
        foreach (var isV2 in (ReadOnlySpan<bool>)[true, false])
        {
            var usage = KernelFile.TryOpen(Path.Combine(directory, isV2 ? "memory.current" : "memory.usage_in_bytes"));
            var stat = KernelFile.TryOpen(Path.Combine(directory, "memory.stat"));
            if (usage is null || stat is null)
            {
                usage?.Dispose();
                stat?.Dispose();
                continue;
            }
            var events = KernelFile.TryOpen(Path.Combine(directory, isV2 ? "memory.events" : "memory.oom_control"));
            return new CgroupMemory(isV2, usage, stat, events, OpenLimits(directory, mountPoint, isV2), time);
        }
        return null;
    }

    public bool TryRead(out MemoryReading reading)
    {
        reading = default;
        if (_usage.ReadNumber() is not { } usage)
            return false;
        if (usage == _last.UsageBytes && LimitIsFresh && !(usage >= _last.LimitBytes / 2))
        {
            reading = _last;
            return true;
        }
        var stat = _stat.Read();
        if (stat.IsEmpty)
            return false;
        var inactive = KernelFile.Number(stat, _isV2 ? "inactive_file"u8 : "total_inactive_file"u8) ?? 0;
        var active = KernelFile.Number(stat, _isV2 ? "active_file"u8 : "total_active_file"u8) ?? 0;
        // v1 does not tell which of its slabs could go.
        var slab = _isV2 ? KernelFile.Number(stat, "slab_reclaimable"u8) ?? 0 : 0;
        var hierarchical = _isV2 ? null : KernelFile.Number(stat, "hierarchical_memory_limit"u8);
        if (!LimitIsFresh)
            (_limit, _limitReadAt) = (ReadLimit(hierarchical), _time.GetTimestamp());
        reading = _last = new MemoryReading(usage, inactive, active + slab, _limit, ReadOomKills());
        return true;
    }

    private bool LimitIsFresh => _limitReadAt is { } readAt && _time.GetElapsedTime(readAt) < LimitAge;

    /// <summary>How many processes were killed here, asked for by itself: when a process has died, every file but this may be late.</summary>
    public long? ReadOomKills() => _events is null ? null : KernelFile.Number(_events.Read(), "oom_kill"u8);

    public void Dispose()
    {
        _usage.Dispose();
        _stat.Dispose();
        _events?.Dispose();
        foreach (var file in _limits)
            file.Dispose();
    }

    private long? ReadLimit(long? hierarchical)
    {
        var limit = Real(hierarchical);
        foreach (var file in _limits)
            limit = Lower(limit, Real(file.ReadNumber()));
        return limit;
    }

    private static List<KernelFile> OpenLimits(string directory, string mountPoint, bool isV2)
    {
        var files = new List<KernelFile>();
        if (!isV2)
        {
            // memory.stat has the lowest of the ancestors' too, but not before a first charge; this one is always right about itself.
            if (KernelFile.TryOpen(Path.Combine(directory, "memory.limit_in_bytes")) is { } own)
                files.Add(own);
            return files;
        }
        var top = Path.TrimEndingDirectorySeparator(mountPoint);
        for (var at = Path.TrimEndingDirectorySeparator(directory); at is not null && at.Length >= top.Length; at = Path.GetDirectoryName(at))
            if (KernelFile.TryOpen(Path.Combine(at, "memory.max")) is { } file)
                files.Add(file);
        return files;
    }

    private static long? Real(long? limit) => limit is < NoLimit ? limit : null;

    private static long? Lower(long? a, long? b) => a is null ? b : b is null ? a : Math.Min(a.Value, b.Value);
}
