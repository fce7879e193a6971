using Premortem.Sidecar.Targets;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Targets;

public sealed class CgroupLocationTests : IDisposable
{
    private const int Pid = 42;

    private readonly FakeProcTree _proc = new();

    public void Dispose() => _proc.Dispose();

    [Fact]
    public void On_a_v2_host_it_is_below_this_programs_mount()
    {
        Self($"27 23 0:24 / {_proc.Path("sys")} rw,relatime - cgroup2 cgroup2 rw\n");
        _proc.Process(Pid, "app", "0::/system.slice/app.service");
        Cgroup("sys/system.slice/app.service", "memory.current", $"1\n{Pid}\n");
        Assert.Equal(new CgroupLocation("/system.slice/app.service", _proc.Path("sys/system.slice/app.service"), _proc.Path("sys")), Find());
    }

    [Fact]
    public void On_a_v1_host_it_is_the_memory_controllers()
    {
        var mounts = File.ReadAllText(Recording("v1/before/mountinfo")).Replace("/sys/fs/cgroup", _proc.Path("sys"), StringComparison.Ordinal);
        Self(mounts);
        _proc.Process(Pid, "app", File.ReadAllText(Recording("v1/before/cgroup")));
        Cgroup("sys/memory/leak", "memory.usage_in_bytes", $"{Pid}\n");
        Assert.Equal(new CgroupLocation("/leak", _proc.Path("sys/memory/leak"), _proc.Path("sys/memory")), Find());
    }

    [Fact]
    public void In_a_pod_with_cgroup_namespaces_it_is_behind_the_targets_root()
    {
        Self(File.ReadAllText(Recording("v2/pod/self.mountinfo")), File.ReadAllText(Recording("v2/pod/self.cgroup")));
        _proc.Process(Pid, "app", File.ReadAllText(Recording("v2/pod/cgroup")), mountinfo: File.ReadAllText(Recording("v2/pod/mountinfo")));
        Cgroup($"proc/{Pid}/root/sys/fs/cgroup", "memory.current", $"{Pid}\n");
        Assert.Equal(new CgroupLocation("/../app", $"{_proc.Root}/{Pid}/root/sys/fs/cgroup", $"{_proc.Root}/{Pid}/root/sys/fs/cgroup"), Find());
    }

    [Fact]
    public void A_containers_own_numbering_does_not_hide_its_mount()
    {
        // The mount shows the container's part alone, and cgroup.procs has other numbers than are seen here.
        Self("");
        _proc.Process(Pid, "app", "0::/../app", mountinfo: File.ReadAllText(Recording("v2/pod/mountinfo")));
        Cgroup($"proc/{Pid}/root/sys/fs/cgroup", "memory.current", "1\n0\n");
        Assert.Equal($"{_proc.Root}/{Pid}/root/sys/fs/cgroup", Find()?.Directory);
    }

    [Fact]
    public void A_v1_containers_bind_mount_is_its_own_part()
    {
        Self("");
        _proc.Process(Pid, "app", "4:memory:/kubepods/pod1/c1\n0::/", mountinfo: "35 31 0:32 /kubepods/pod1/c1 /sys/fs/cgroup/memory ro,relatime master:9 - cgroup cgroup rw,memory\n");
        Cgroup($"proc/{Pid}/root/sys/fs/cgroup/memory", "memory.usage_in_bytes", $"{Pid}\n");
        Assert.Equal(("/kubepods/pod1/c1", $"{_proc.Root}/{Pid}/root/sys/fs/cgroup/memory"), (Find()?.Id, Find()?.Directory));
    }

    [Fact]
    public void In_a_hybrid_the_tree_that_has_the_memory_controller_counts()
    {
        Self("41 31 0:38 / " + _proc.Path("unified") + " rw - cgroup2 cgroup2 rw\n35 31 0:32 / " + _proc.Path("memory") + " rw - cgroup cgroup rw,memory\n");
        _proc.Process(Pid, "app", "4:cpu,memory:/a\n0::/b");
        Cgroup("unified/b", "memory.current", $"{Pid}\n");
        Cgroup("memory/a", "memory.usage_in_bytes", $"{Pid}\n");
        Assert.Equal(_proc.Path("memory/a"), Find()?.Directory);
        _proc.Process(Pid, "app", "4:cpu:/a\n0::/b");
        Assert.Equal(_proc.Path("unified/b"), Find()?.Directory);
    }

    [Fact]
    public void Blanks_and_backslashes_in_a_mount_are_what_they_stand_for()
    {
        Self("27 23 0:24 / " + _proc.Path("my\\040sys") + " rw - cgroup2 cgroup2 rw\n");
        _proc.Process(Pid, "app", "0::/a\\x2db");
        Cgroup("my sys/a\\x2db", "memory.current", $"{Pid}\n");
        Assert.Equal(_proc.Path("my sys/a\\x2db"), Find()?.Directory);
        Self("27 23 0:24 /a\\134x2db " + _proc.Path("part") + " rw - cgroup2 cgroup2 rw\n");
        _proc.Process(Pid, "app", "0::/a\\x2db/c");
        Cgroup("part/c", "memory.current", $"{Pid}\n");
        Assert.Equal(_proc.Path("part/c"), Find()?.Directory);
    }

    [Fact]
    public void A_path_out_of_this_namespace_is_not_followed_by_its_dots()
    {
        Self($"27 23 0:24 / {_proc.Path("sys")} rw,relatime - cgroup2 cgroup2 rw\n");
        _proc.Process(Pid, "app", "0::/../../app");
        Cgroup("app", "memory.current", $"{Pid}\n");
        Cgroup("sys", "memory.current", "1\n");
        Assert.Equal(new CgroupLocation("/../../app", null, null), Find());
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("4:cpu:/a")]
    public void Without_a_cgroup_there_is_none(string cgroup)
    {
        Self("nonsense\n1 2 - 3\n - \n");
        _proc.Process(Pid, "app", cgroup);
        Assert.Null(Find());
        Assert.Null(CgroupLocation.Of(new ProcFs(_proc.Root), 77));
    }

    private CgroupLocation? Find() => CgroupLocation.Of(new ProcFs(_proc.Root), Pid);

    private void Self(string mountinfo, string cgroup = "0::/") => _proc.Process(Environment.ProcessId, "sidecar", cgroup, mountinfo: mountinfo);

    private void Cgroup(string directory, string usage, string procs) =>
        _proc.File($"{directory}/{usage}", "1000\n").File($"{directory}/cgroup.procs", procs);

    private static string Recording(string name) => Repository.Path("tests", "Sidecar.Tests", "Memory", "testdata", name);
}
