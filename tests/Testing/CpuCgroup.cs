using System.Globalization;

namespace Premortem.Testing;

/// <summary>A CPU cgroup of a test's own, v1 or v2, with a quota; removed when the test ends.</summary>
public sealed class CpuCgroup : IDisposable
{
    private static int s_made;

    private CpuCgroup(string path) => Path = path;

    public string Path { get; }

    public static CpuCgroup Create(int quotaMicroseconds, int periodMicroseconds)
    {
        var parent = MemoryCgroup.IsV2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
        var path = System.IO.Path.Combine(parent, string.Create(CultureInfo.InvariantCulture, $"premortem-test-cpu-{Environment.ProcessId}-{Interlocked.Increment(ref s_made)}"));
        var cgroup = new CpuCgroup(path);
        try
        {
            Directory.CreateDirectory(path);
            if (MemoryCgroup.IsV2)
            {
                cgroup.Write("cpu.max", string.Create(CultureInfo.InvariantCulture, $"{quotaMicroseconds} {periodMicroseconds}"));
            }
            else
            {
                cgroup.Write("cpu.cfs_period_us", periodMicroseconds.ToString(CultureInfo.InvariantCulture));
                cgroup.Write("cpu.cfs_quota_us", quotaMicroseconds.ToString(CultureInfo.InvariantCulture));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (Directory.Exists(path))
                Directory.Delete(path);
            Need.Part(false, $"no CPU cgroup with a quota can be made: {e.Message}");
        }
        return cgroup;
    }

    /// <summary>From now on it may have all there is.</summary>
    public void Lift() => Write(MemoryCgroup.IsV2 ? "cpu.max" : "cpu.cfs_quota_us", MemoryCgroup.IsV2 ? "max" : "-1");

    public void Dispose() => MemoryCgroup.Remove(Path);

    private void Write(string file, string value) => File.WriteAllText(System.IO.Path.Combine(Path, file), value);
}
