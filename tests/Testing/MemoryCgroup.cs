using System.Globalization;

namespace Premortem.Testing;

/// <summary>A memory cgroup of a test's own, v1 or v2, with a limit; removed when the test ends.</summary>
public sealed class MemoryCgroup : IDisposable
{
    private static int s_made;

    private MemoryCgroup(string path) => Path = path;

    public string Path { get; }

    public static bool IsV2 { get; } = File.Exists("/sys/fs/cgroup/cgroup.controllers");

    public static MemoryCgroup Create(long? limitBytes)
    {
        var parent = IsV2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        var path = System.IO.Path.Combine(parent, string.Create(CultureInfo.InvariantCulture, $"premortem-test-{Environment.ProcessId}-{Interlocked.Increment(ref s_made)}"));
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Need.Part(false, $"no memory cgroup can be made: {e.Message}");
        }
        var cgroup = new MemoryCgroup(path);
        if (limitBytes is { } limit)
            cgroup.SetLimit(limit);
        return cgroup;
    }

    public void SetLimit(long bytes) =>
        File.WriteAllText(System.IO.Path.Combine(Path, IsV2 ? "memory.max" : "memory.limit_in_bytes"), bytes.ToString(CultureInfo.InvariantCulture));

    /// <summary>All that is charged now, page cache included.</summary>
    public long UsageBytes => long.Parse(File.ReadAllText(System.IO.Path.Combine(Path, IsV2 ? "memory.current" : "memory.usage_in_bytes")), CultureInfo.InvariantCulture);

    /// <summary>The most that was ever charged, page cache included.</summary>
    public long PeakBytes => long.Parse(File.ReadAllText(System.IO.Path.Combine(Path, IsV2 ? "memory.peak" : "memory.max_usage_in_bytes")), CultureInfo.InvariantCulture);

    /// <summary>All that is charged now but what the kernel would take back first.</summary>
    public long WorkingSetBytes => UsageBytes - Figure("memory.stat", IsV2 ? "inactive_file" : "total_inactive_file");

    /// <summary>How many processes were killed in it for want of memory.</summary>
    public long OomKills => Figure(IsV2 ? "memory.events" : "memory.oom_control", "oom_kill");

    public void Dispose() => Remove(Path);

    /// <summary>Removes a cgroup of a test's own.</summary>
    internal static void Remove(string path)
    {
        // The kernel takes a moment to let go of the last process.
        for (var attempt = 0; attempt < 500; attempt++)
            try
            {
                Directory.Delete(path);
                return;
            }
            catch (IOException)
            {
                using var moment = new ManualResetEventSlim();
                moment.Wait(TimeSpan.FromMilliseconds(10));
            }
    }

    private long Figure(string file, string name) => long.Parse(
        File.ReadAllLines(System.IO.Path.Combine(Path, file)).First(line => line.StartsWith(name + " ", StringComparison.Ordinal))[(name.Length + 1)..],
        CultureInfo.InvariantCulture);
}
