using Microsoft.Extensions.Time.Testing;
using Premortem.Sidecar.Targets;
using Xunit;

namespace Premortem.Sidecar.Tests.Targets;

public sealed class TargetFinderTests : IDisposable
{
    private readonly FakeProcTree _proc = new();
    private readonly FakeTimeProvider _time = new();

    public TargetFinderTests() => _proc.Process(Environment.ProcessId, "premortem-sidec", "0::/../sidecar");

    public void Dispose() => _proc.Dispose();

    [Fact]
    public void In_a_pod_every_container_but_the_sandbox_and_the_sidecar_is_a_target()
    {
        _proc.Process(1, "pause", "0::/../sandbox").Process(2, "kthreadd", "0::/").Process(3, "kworker/0:1", "0::/", parent: 2)
            .Process(10, "app", "0::/../c1", container: "checkout").Process(11, "helper", "0::/../c1").Process(20, "proxy", "0::/../c2")
            .Process(30, "dead", "0::/../c3", state: 'Z').Process(5_000_000, "sh", "0::/../sidecar");
        Assert.Equal(["checkout: 10 11", "proxy: 20"], Find(Finder()));
    }

    [Fact]
    public void A_container_is_called_what_the_kubelet_calls_the_folder_of_its_termination_log()
    {
        _proc.Process(10, "app", "0::/../c1", mountinfo: Mounts("/var/lib/kubelet/pods/1b2c/containers/checkout/5a5a"))
            .Process(20, "app", "0::/../c2", mountinfo: Mounts("/pods/1b2c/containers/proxy/77"));
        Assert.Equal(["checkout: 10", "proxy: 20"], Find(Finder("checkout", "proxy")));
    }

    [Theory]
    [InlineData("/var/lib/kubelet/pods/1b2c/volumes/kubernetes.io~empty-dir/containers")]
    [InlineData("/var/lib/kubelet/pods/1b2c/etc-hosts")]
    [InlineData("/var/lib/containers/checkout/5a5a")]
    [InlineData("/")]
    public void Other_mounts_of_the_kubelet_name_nobody(string root) =>
        Assert.Null(ContainerNames.OfMounts(Mounts(root).Split('\n')));

    [Fact]
    public void A_name_that_the_pod_has_not_is_not_believed()
    {
        _proc.Process(10, "app", "0::/../c1", container: "made-up", mountinfo: Mounts("/pods/1b2c/containers/forged/5a5a"))
            .Process(20, "proxy", "0::/../c2", container: "proxy");
        Assert.Equal(["app: 10", "proxy: 20"], Find(Finder("checkout", "proxy", "third")));
    }

    [Fact]
    public void The_kernels_word_goes_before_the_programs()
    {
        _proc.Process(10, "app", "0::/../c1", container: "proxy", mountinfo: Mounts("/pods/1b2c/containers/checkout/5a5a"));
        Assert.Equal(["checkout: 10"], Find(Finder("checkout", "proxy")));
    }

    [Fact]
    public void The_only_container_of_a_pod_needs_no_name_until_another_has_it()
    {
        var finder = Finder("checkout");
        _proc.Process(10, "envoy", "0::/../c1").Process(11, "helper", "0::/../c1");
        Find(finder);
        _time.Advance(TimeSpan.FromSeconds(3.1));
        Assert.Equal(["checkout: 10 11"], Find(finder));
        // It was one that the settings do not speak of: the container that they mean has only now come.
        _proc.Process(20, "app", "0::/../c2", mountinfo: Mounts("/pods/1b2c/containers/checkout/5a5a"));
        Assert.Equal(["envoy: 10 11", "checkout: 20"], Find(finder));
    }

    [Fact]
    public void Of_one_that_nobody_can_name_it_is_known_who_is_left_over_once_it_has_settled()
    {
        var finder = Finder("checkout", "proxy");
        _proc.Process(10, "envoy", "0::/../c2", mountinfo: Mounts("/pods/1b2c/containers/proxy/5a5a")).Process(20, "java", "0::/../c1");
        Assert.Equal(["proxy: 10", "java: 20"], Find(finder));
        _time.Advance(TimeSpan.FromSeconds(3.1));
        Assert.Equal(["proxy: 10", "checkout: 20"], Find(finder));
        // A container of a debugger is none of the pod's own: nobody is left over for it, and nobody else is called otherwise for it.
        _proc.Process(30, "sh", "0::/../c3");
        _time.Advance(TimeSpan.FromSeconds(3.1));
        Assert.Equal(["proxy: 10", "checkout: 20", "sh: 30"], Find(finder));
    }

    [Fact]
    public void Any_process_of_a_container_may_tell_its_name()
    {
        _proc.Process(10, "tini", "0::/../c1").Process(11, "app", "0::/../c1", mountinfo: Mounts("/pods/1b2c/containers/checkout/5a5a")).Process(20, "other", "0::/../c2");
        Assert.Equal("checkout: 10 11", Find(Finder("checkout", "proxy"))[0]);
    }

    [Fact]
    public void Of_two_containers_of_one_name_each_keeps_its_own_through_a_restart_of_the_other()
    {
        var finder = Finder();
        _proc.Process(10, "app", "0::/../c1").Process(20, "app", "0::/../c2");
        Assert.Equal(["app: 10", "app-2: 20"], Find(finder));
        _proc.Gone(10);
        Assert.Equal(["app-2: 20"], Find(finder));
        _proc.Process(30, "app", "0::/../c3");
        Assert.Equal(["app-2: 20", "app: 30"], Find(finder));
    }

    [Fact]
    public void Once_it_has_settled_a_process_is_not_looked_at_again()
    {
        // Beyond what the kernel gives away, so that this process is none of them.
        const int First = 5_000_000;
        for (var pid = First; pid < First + 2000; pid++)
            _proc.Process(pid, "app", $"0::/../c{(pid - First) / 100}", container: $"c{(pid - First) / 100}");
        var finder = Finder();
        var first = Find(finder);
        Assert.Equal(20, first.Count);
        Assert.False(finder.IsSettled);
        _time.Advance(TimeSpan.FromSeconds(3.1));
        // What is looked at again would be another's from now on.
        for (var pid = First; pid < First + 2000; pid++)
            _proc.Process(pid, "another", "0::/../other", container: "other");
        Assert.Equal(first, Find(finder));
        Assert.True(finder.IsSettled);
        for (var pid = First; pid < First + 1000; pid++)
            _proc.Gone(pid);
        Assert.Equal(10, Find(finder).Count);
    }

    [Fact]
    public void The_runtimes_first_process_is_no_target_until_it_is_the_program()
    {
        var finder = Finder();
        _proc.Process(10, "runc:[2:INIT]", "0::/../c1", executable: "/usr/bin/runc");
        Assert.Empty(Find(finder));
        // However long it is made to wait.
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Empty(Find(finder));
        _proc.Process(10, "app", "0::/../c1", container: "checkout");
        Assert.Equal(["checkout: 10"], Find(finder));
    }

    [Fact]
    public void In_its_first_moments_a_process_may_still_become_another()
    {
        var finder = Finder();
        _proc.Process(10, "entrypoint.sh", "0::/../c1");
        Assert.Equal(["entrypoint.sh: 10"], Find(finder));
        _time.Advance(TimeSpan.FromSeconds(2));
        _proc.Process(10, "app", "0::/../c1", container: "checkout");
        Assert.Equal(["checkout: 10"], Find(finder));
    }

    [Fact]
    public void A_single_process_is_a_target_while_it_lives()
    {
        var finder = new TargetFinder(new ProcFs(_proc.Root), new TargetScope.Process(10), _time);
        Assert.Empty(finder.Find());
        _proc.Process(10, "app", "0::/a");
        Assert.Equal(("pid-10", "app"), (finder.Find()[0].Key, finder.Find()[0].Container));
        _proc.Process(10, "app", "0::/a", state: 'Z');
        Assert.Empty(finder.Find());
    }

    [Fact]
    public void A_cgroup_is_one_target_with_all_that_is_below_it()
    {
        _proc.File("sys/cgroup.procs", "1\n").File("sys/pod/cgroup.procs", "10\n0\n11\n").File("sys/pod/child/cgroup.procs", "12\n").File("sys/pod/child/deep/cgroup.procs", "");
        var finder = new TargetFinder(new ProcFs(_proc.Root), new TargetScope.Cgroup(_proc.Path("sys/pod")), _time);
        var target = Assert.Single(finder.Find());
        Assert.Equal("pod", target.Container);
        Assert.Equal([10, 11, 12], target.Pids);
        Assert.Equal(_proc.Path("sys"), target.Cgroup?.MountPoint);
        _proc.File("sys/pod/cgroup.procs", "").File("sys/pod/child/cgroup.procs", "");
        Assert.Empty(finder.Find());
    }

    /// <summary>As the kernel writes it, with what any container has beside it.</summary>
    private static string Mounts(string root) => $"""
        700 680 0:51 / / rw,relatime - overlay overlay rw
        701 700 0:54 / /proc rw,nosuid - proc proc rw
        702 700 259:1 {root} /dev/termination-log rw,relatime - ext4 /dev/root rw
        """;

    private TargetFinder Finder(params string[] containers) => new(new ProcFs(_proc.Root), new TargetScope.Pod(), _time) { Containers = containers };

    private static List<string> Find(TargetFinder finder) => [.. finder.Find().Select(target => $"{target.Container}: {string.Join(' ', target.Pids)}")];
}
