using Microsoft.Extensions.Time.Testing;
using Premortem.Sidecar.Memory;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Memory;

/// <summary>On what real kernels said (testdata/README.md), and on changes of it.</summary>
public sealed class CgroupMemoryTests : IDisposable
{
    private const long Limit = 128 << 20;

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_v2_cgroup_is_read() =>
        Assert.Equal(("cgroup v2", new MemoryReading(69709824, 0, 4720, Limit, 0)), Recorded("v2/before"));

    [Fact]
    public void A_v2_cgroup_tells_of_the_kill() => Assert.Equal(1, Recorded("v2/after").Reading.OomKills);

    [Fact]
    public void Page_cache_is_no_danger_on_v2()
    {
        var reading = Recorded("v2/page-cache").Reading;
        Assert.Equal(new MemoryReading(126861312, 106663936, 4096 + 11926256, Limit, 0), reading);
        Assert.InRange(reading.WorkingSetBytes, 0, 20 << 20);
        Assert.InRange(reading.UnreclaimableBytes, 0, 8 << 20);
    }

    [Fact]
    public void A_v1_cgroup_is_read() =>
        Assert.Equal(("cgroup v1", new MemoryReading(70504448, 4096, 86016, Limit, 0)), Recorded("v1/before"));

    [Fact]
    public void A_v1_cgroup_tells_of_the_kill() => Assert.Equal(1, Recorded("v1/after").Reading.OomKills);

    [Theory]
    [InlineData("max", "max", null)]
    [InlineData("max", "268435456", 268435456L)]
    [InlineData("134217728", "268435456", 134217728L)]
    [InlineData("268435456", "134217728", 134217728L)]
    [InlineData("134217728", "max", 134217728L)]
    public void The_lowest_limit_on_the_way_to_the_root_holds_on_v2(string own, string parents, long? limit)
    {
        var cgroup = V2("top/pod/app", own);
        Write("top/pod/memory.max", parents);
        Write("memory.max", "4096");
        Assert.Equal(limit, Read(cgroup, _folder.File("top")).LimitBytes);
    }

    [Fact]
    public void A_mount_with_a_slash_at_its_end_is_the_same()
    {
        var cgroup = V2("pod/app", "max");
        Write("pod/memory.max", "4096");
        Assert.Equal(4096, Read(cgroup + "/", _folder.Path + "/").LimitBytes);
    }

    [Theory]
    [InlineData("9223372036854771712", null)]
    [InlineData("134217728", 134217728L)]
    public void No_limit_on_v1_is_a_number_that_nothing_reaches(string written, long? limit)
    {
        Write("app/memory.usage_in_bytes", "1000");
        Write("app/memory.limit_in_bytes", written);
        Write("app/memory.stat", $"cache 0\nhierarchical_memory_limit {written}\n");
        Assert.Equal(limit, Read(_folder.File("app"), _folder.Path).LimitBytes);
    }

    [Fact]
    public void An_ancestors_limit_on_v1_stands_in_the_statistics()
    {
        Write("app/memory.usage_in_bytes", "1000");
        Write("app/memory.limit_in_bytes", "9223372036854771712");
        Write("app/memory.stat", "cache 0\nhierarchical_memory_limit 5000\ntotal_inactive_file 300\ntotal_active_file 200\n");
        Assert.Equal(new MemoryReading(1000, 300, 200, 5000, null), Read(_folder.File("app"), _folder.Path));
    }

    [Fact]
    public void A_root_cgroup_has_no_memory_to_read()
    {
        Write("memory.stat", "anon 1\n");
        Assert.Null(CgroupMemory.TryOpen(_folder.Path, _folder.Path, _time));
        Assert.Null(CgroupMemory.TryOpen(_folder.File("gone"), _folder.Path, _time));
    }

    [Fact]
    public void What_the_statistics_leave_out_is_nothing()
    {
        var cgroup = V2("app", "max");
        Write("app/memory.stat", "anon 5\ninactive_file_of_another_name 7\nfile\n");
        Assert.Equal(new MemoryReading(1000, 0, 0, null, 0), Read(cgroup, _folder.Path));
    }

    [Fact]
    public void A_removed_cgroup_is_nothing_to_read_any_more()
    {
        Need.Part(Environment.UserName == "root", "only root can make a cgroup");
        using var cgroup = MemoryCgroup.Create(1 << 30);
        using var memory = CgroupMemory.TryOpen(cgroup.Path, Path.GetDirectoryName(cgroup.Path)!, _time)!;
        Assert.True(memory.TryRead(out var reading));
        Assert.Equal(1 << 30, reading.LimitBytes);
        Directory.Delete(cgroup.Path);
        Assert.False(memory.TryRead(out _));
        Assert.Null(memory.ReadOomKills());
        Directory.CreateDirectory(cgroup.Path);
    }

    [Fact]
    public void A_changed_limit_is_noticed_within_a_quarter_of_a_second()
    {
        using var memory = CgroupMemory.TryOpen(V2("app", "5000"), _folder.Path, _time)!;
        Assert.True(memory.TryRead(out var before));
        Write("app/memory.max", "9000");
        _time.Advance(TimeSpan.FromMilliseconds(249));
        Assert.True(memory.TryRead(out var cached));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(memory.TryRead(out var after));
        Assert.Equal((5000, 5000, 9000), (before.LimitBytes, cached.LimitBytes, after.LimitBytes));
    }

    private string V2(string path, string max)
    {
        Write($"{path}/memory.current", "1000");
        Write($"{path}/memory.stat", "anon 900\n");
        Write($"{path}/memory.events", "oom 0\noom_kill 0\n");
        Write($"{path}/memory.max", max);
        return _folder.File(path);
    }

    private void Write(string path, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(path))!);
        File.WriteAllText(_folder.File(path), content + "\n");
    }

    private (string Name, MemoryReading Reading) Recorded(string name)
    {
        using var memory = CgroupMemory.TryOpen(Repository.TestData(name), Repository.TestData(name), _time)!;
        Assert.True(memory.TryRead(out var reading));
        return (memory.Name, reading);
    }

    private MemoryReading Read(string directory, string mount)
    {
        using var memory = CgroupMemory.TryOpen(directory, mount, _time)!;
        Assert.True(memory.TryRead(out var reading));
        return reading;
    }
}
