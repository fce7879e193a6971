using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Diagnostics;
using Premortem.Sidecar.Targets;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Targets;

/// <summary>Runtimes are found, reached and understood, and what stands in the way is said.</summary>
public sealed class DotNetTargetTests : IAsyncDisposable
{
    private static readonly Dictionary<string, string?> s_noDiagnostics = new() { ["DOTNET_EnableDiagnostics"] = "0" };

    private readonly ProcFs _proc = new();
    private readonly TemporaryFolder _folder = new();
    private readonly List<(TargetLife Life, Task Following)> _following = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var (life, following) in _following)
        {
            life.Replace();
            await following.WaitAsync(TimeSpan.FromSeconds(30));
        }
        _folder.Dispose();
    }

    [Fact]
    public async Task A_runtime_is_reached_through_its_default_socket()
    {
        await using var target = await DotNetLeak.StartAsync(flags: ["-kind", "none"]);
        var life = await FollowAsync(target.Process.Id);
        using (life)
        {
            var runtime = life.Identity.Runtime!;
            Assert.Equal((RuntimeKind.DotNet, "dotnet-leak"), (runtime.Kind, runtime.MainModule));
            Assert.StartsWith($"{Environment.Version.Major}.", runtime.Version, StringComparison.Ordinal);
            Assert.Equal("Workstation, concurrent", runtime.GcMode);
            Assert.Null(runtime.HeapLimitBytes);
            Assert.Contains("-socket", life.Source!.Address, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_runtime_that_keeps_its_temporary_files_elsewhere_is_reached()
    {
        await using var target = await DotNetLeak.StartAsync(environment: new Dictionary<string, string?> { ["TMPDIR"] = _folder.Path }, flags: ["-kind", "none"]);
        var life = await FollowAsync(target.Process.Id);
        using (life)
            Assert.Contains(_folder.Path, life.Source!.Address, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_that_the_policy_takes_for_a_Go_program_is_not_asked()
    {
        await using var target = await DotNetLeak.StartAsync(flags: ["-kind", "none"]);
        Assert.Null(Probe().Identify(target.Process.Id, RuntimeKind.Go).Runtime);
        Assert.Equal(RuntimeKind.DotNet, Probe().Identify(target.Process.Id, RuntimeKind.DotNet).Runtime?.Kind);
    }

    [Fact]
    public async Task The_heap_limit_of_a_container_is_known_without_asking()
    {
        using var cgroup = MemoryCgroup.Create(256L << 20);
        await using var target = await DotNetLeak.StartAsync(cgroup.Path, environment: new Dictionary<string, string?> { ["DOTNET_gcServer"] = "1" }, flags: ["-kind", "none"]);
        var settings = GcSettings.Of(_proc, target.Process.Id, 256L << 20);
        Assert.Equal((192L << 20, "Server, concurrent"), (settings.HeapLimitBytes, settings.Mode));
    }

    [Theory]
    [InlineData("DOTNET_GCHeapHardLimit", "0x6400000", 100)]
    [InlineData("DOTNET_GCHeapHardLimit", "6400000", 100)]
    [InlineData("DOTNET_GCHeapHardLimitPercent", "32", 128)]
    public async Task A_heap_limit_of_the_environment_is_what_the_runtime_itself_obeys(string name, string value, int mebibytes)
    {
        using var cgroup = MemoryCgroup.Create(256L << 20);
        await using var target = await DotNetLeak.StartAsync(cgroup.Path, environment: new Dictionary<string, string?> { [name] = value }, flags: ["-kind", "none", "-report", "20ms"]);
        Assert.Equal((long)mebibytes << 20, GcSettings.Of(_proc, target.Process.Id, 256L << 20).HeapLimitBytes);
        // The program prints what its own GC says.
        await target.Process.WaitForLineAsync($"MiB of {mebibytes},");
    }

    [Fact]
    public async Task Diagnostics_that_are_switched_off_are_named()
    {
        await using var target = await DotNetLeak.StartAsync(environment: s_noDiagnostics, flags: ["-kind", "none"]);
        await AssertMissingAsync(target.Process.Id, Reasons.DiagnosticsDisabled, "DOTNET_EnableDiagnostics=0");
    }

    [Fact]
    public async Task A_runtime_of_another_user_is_seen_and_said_to_be_out_of_reach()
    {
        await using var target = await DotNetLeak.StartAsync(flags: ["-kind", "none"]);
        var (identity, refusal) = AnotherUser.Runs(() =>
        {
            var dotNet = DotNetProcess.TryFind(_proc, target.Process.Id, null);
            return (dotNet, dotNet?.FindEndpoint(null) as DiagnosticsSearch.NotFound);
        });
        // A thread that stepped down may still read what its process may: only the socket is refused then.
        if (refusal is not null)
            Assert.Equal(Reasons.AccessDenied, refusal.Reason);
        else if (identity?.Socket is { } socket)
            Assert.Equal(Reasons.AccessDenied, Assert.Throws<DiagnosticsException>(() => AnotherUser.Runs(() => new SocketEndpoint(socket).ConnectAsync(CancellationToken.None).GetAwaiter().GetResult())).Reason);
    }

    [Fact]
    public async Task A_socket_that_never_answers_is_given_up()
    {
        await using var target = await DotNetLeak.StartAsync(environment: s_noDiagnostics, flags: ["-kind", "none"]);
        await using var impostor = Impostor.Start(PathOfSocket(_proc, target.Process.Id), []);
        using var client = new DiagnosticsClient(new SocketEndpoint(impostor.Path), TimeProvider.System);
        var refusal = await Assert.ThrowsAsync<DiagnosticsException>(() => client.ReadProcessInfoAsync(CancellationToken.None));
        Assert.Equal(Reasons.TimedOut, refusal.Reason);
    }

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("DOTNET_IPC_V1\0\u0014\0\u0007\0\0\0")]
    [InlineData("DOTNET_IPC_V1\0\uffff\uffff")]
    [InlineData("DOTNET_IPC_V1\0\u0018\0\u00ff\0\0\0abcd")]
    public async Task Garbage_is_no_answer(string answer)
    {
        await using var impostor = Impostor.Start(_folder.File("socket"), [.. answer.Select(c => (byte)c)]);
        using var client = new DiagnosticsClient(new SocketEndpoint(impostor.Path), TimeProvider.System);
        var refusal = await Assert.ThrowsAsync<DiagnosticsException>(() => client.ReadProcessInfoAsync(CancellationToken.None));
        Assert.Contains(refusal.Reason, (string[])[Reasons.InvalidContent, Reasons.TargetNotResponding]);
    }

    [Fact]
    public async Task A_socket_on_which_another_process_listens_is_not_the_runtimes()
    {
        await using var target = await DotNetLeak.StartAsync(environment: s_noDiagnostics, flags: ["-kind", "none"]);
        await using var impostor = Impostor.Start(PathOfSocket(_proc, target.Process.Id), "DOTNET_IPC_V1\0"u8.ToArray());
        await AssertMissingAsync(target.Process.Id, Reasons.InvalidContent, $"process {Environment.ProcessId} listens on");
    }

    [Fact]
    public async Task The_runtimes_own_word_on_its_collector_goes_before_its_surroundings()
    {
        using var cgroup = MemoryCgroup.Create(256L << 20);
        await using var target = await DotNetLeak.StartAsync(
            cgroup.Path,
            environment: new Dictionary<string, string?> { ["DOTNET_gcServer"] = "1", ["DOTNET_gcConcurrent"] = "0", ["DOTNET_GCHeapCount"] = "2" },
            flags: ["-kind", "none"]);
        // Since the limit was raised, three quarters of it are no longer what the runtime keeps to.
        cgroup.SetLimit(512L << 20);
        var life = await FollowAsync(target.Process.Id, 512L << 20);
        using (life)
            Assert.Equal(("Server", 192L << 20), (life.Identity.Runtime!.GcMode, life.Identity.Runtime.HeapLimitBytes));
    }

    [Fact]
    public async Task The_heap_is_known_at_once_and_after_each_collection()
    {
        await using var target = await DotNetLeak.StartAsync(flags: ["-kind", "hold", "-size", "100"]);
        var life = await FollowAsync(target.Process.Id);
        using (life)
        {
            Assert.InRange(life.Heap!.Use!.CommittedBytes, 90L << 20, 300L << 20);
            Assert.Null(life.Heap.LastCollection);
        }
        await using var busy = await DotNetLeak.StartAsync(flags: ["-kind", "churn", "-rate", "200", "-size", "60"]);
        life = await FollowAsync(busy.Process.Id);
        using (life)
        {
            var heap = await Eventually.Holds(() => life.Heap, heap => heap?.Collections >= 3, "three collections", TimeSpan.FromSeconds(60));
            Assert.InRange(heap!.LastCollection!.HeapBytes, 1, heap.Use!.CommittedBytes);
            Assert.InRange(heap.Use.BudgetBytes!.Value, 1, 4L << 30);
        }
    }

    [Fact]
    public async Task A_session_streams_until_it_is_stopped()
    {
        await using var target = await DotNetLeak.StartAsync(flags: ["-kind", "churn", "-rate", "100", "-size", "20"]);
        using var client = new DiagnosticsClient(EndpointOf(target.Process.Id), TimeProvider.System);
        await using var session = await client.StartSessionAsync([new EventPipeProvider(EventPipeProvider.Runtime, 1, 4)], 1, 0, withStacks: false, CancellationToken.None);
        var start = new byte[8];
        await session.Stream.ReadExactlyAsync(start);
        Assert.Equal("Nettrace"u8.ToArray(), start);
        var rest = session.Stream.CopyToAsync(Stream.Null);
        await session.StopAsync(CancellationToken.None);
        await rest.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_session_ends_with_its_runtime()
    {
        await using var target = await DotNetLeak.StartAsync(flags: ["-kind", "none"]);
        using var client = new DiagnosticsClient(EndpointOf(target.Process.Id), TimeProvider.System);
        await using var session = await client.StartSessionAsync([new EventPipeProvider(EventPipeProvider.Runtime, 1, 4)], 1, 0, withStacks: false, CancellationToken.None);
        var rest = session.Stream.CopyToAsync(Stream.Null);
        target.Process.Signal(SidecarProcess.SigKill);
        try
        {
            await rest.WaitAsync(TimeSpan.FromSeconds(30));
        }
        catch (IOException)
        {
            // A reset is an end, too.
        }
        await target.Process.WaitForExitAsync();
        var refusal = await Assert.ThrowsAsync<DiagnosticsException>(() => client.ReadProcessInfoAsync(CancellationToken.None));
        Assert.Contains(refusal.Reason, (string[])[Reasons.EndpointRefused, Reasons.EndpointNotFound]);
    }

    private IDiagnosticsEndpoint EndpointOf(int pid) => ((DiagnosticsSearch.Found)DotNetProcess.TryFind(_proc, pid, null)!.FindEndpoint(null)).Endpoint;

    /// <summary>With when it started: a process that was killed leaves its socket, and another one gets its number.</summary>
    internal static string PathOfSocket(ProcFs proc, int pid) => $"/tmp/dotnet-diagnostic-{pid}-{proc.Stat(pid)!.StartTicks}-socket";

    private static ProfilePolicySpec AnyRuntime { get; } = new() { Triggers = [], Captures = [], Storage = new DirectoryStorage("/none") };

    private TargetProbe Probe() => new(_proc, TimeProvider.System, NullLogger<TargetProbe>.Instance);

    private async Task<TargetLife> FollowAsync(int pid, long? limitBytes = null)
    {
        var life = Life(pid);
        life.ContainerLimitBytes = limitBytes;
        _following.Add((life, Probe().FollowAsync(life, AnyRuntime, CancellationToken.None)));
        await Eventually.Holds(() => (life.Source, life.Problem), found => found.Source is not null, "a source of captures", TimeSpan.FromSeconds(30));
        return life;
    }

    private async Task AssertMissingAsync(int pid, string reason, string detail)
    {
        using var life = Life(pid);
        using var probe = Probe();
        using var enough = new CancellationTokenSource();
        var following = probe.FollowAsync(life, AnyRuntime, enough.Token);
        var problem = await Eventually.Holds(() => life.Problem, problem => problem is not null, "a reason why there are no profiles", TimeSpan.FromSeconds(30));
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => following);
        Assert.Equal(reason, problem!.Reason);
        Assert.Contains(detail, problem.Detail, StringComparison.Ordinal);
        Assert.Equal(RuntimeKind.DotNet, life.Identity.Runtime?.Kind);
    }

    private TargetLife Life(int pid) => new(
        ProcessHandle.TryOpen(_proc, pid)!,
        new TargetIdentity { Namespace = "test", Workload = "test", Pod = "test", Container = "test", Pid = pid },
        _proc.Stat(pid)!.StartTicks,
        TimeSpan.Zero);

    /// <summary>Something else that listens where a runtime should: it takes every connection, says what it has to say, and waits.</summary>
    private sealed class Impostor : IAsyncDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private readonly List<Socket> _accepted = [];
        private readonly Task _run;

        private Impostor(string path, byte[] answer)
        {
            Path = path;
            _socket.Bind(new UnixDomainSocketEndPoint(path));
            _socket.Listen();
            _run = AcceptAsync(answer);
        }

        public string Path { get; }

        public static Impostor Start(string path, byte[] answer) => new(path, answer);

        public async ValueTask DisposeAsync()
        {
            _socket.Dispose();
            await _run;
            foreach (var socket in _accepted)
                socket.Dispose();
            File.Delete(Path);
        }

        private async Task AcceptAsync(byte[] answer)
        {
            try
            {
                while (true)
                {
                    var socket = await _socket.AcceptAsync();
                    _accepted.Add(socket);
                    await socket.SendAsync(answer);
                    if (answer.Length > 0)
                        socket.Shutdown(SocketShutdown.Send);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }
}
