using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Contracts;
using Premortem.Sidecar.Diagnostics;
using Premortem.Sidecar.Targets;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Targets;

/// <summary>One socket that many runtimes dial.</summary>
public sealed class DiagnosticPortTests : IDisposable
{
    private readonly ProcFs _proc = new();
    private readonly TemporaryFolder _folder = new();
    private readonly DiagnosticPortListener _port;

    public DiagnosticPortTests() => _port = Open();

    private string Path => _folder.File("port");

    private Dictionary<string, string?> Dialling => new() { ["DOTNET_DiagnosticPorts"] = $"{Path},connect,nosuspend" };

    public void Dispose()
    {
        _port.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Many_runtimes_are_served_and_each_command_finds_its_own()
    {
        await using var first = await DotNetLeak.StartAsync(environment: Dialling, flags: ["-kind", "none"]);
        await using var second = await DotNetLeak.StartAsync(environment: Dialling, flags: ["-kind", "none"]);
        using var toFirst = Client(first.Process.Id);
        using var toSecond = Client(second.Process.Id);
        for (var round = 0; round < 3; round++)
        {
            Assert.Equal((ulong)first.Process.Id, (await toFirst.ReadProcessInfoAsync(CancellationToken.None)).Pid);
            Assert.Equal((ulong)second.Process.Id, (await toSecond.ReadProcessInfoAsync(CancellationToken.None)).Pid);
        }
    }

    [Fact]
    public async Task A_runtime_that_streams_still_takes_commands()
    {
        await using var target = await DotNetLeak.StartAsync(environment: Dialling, flags: ["-kind", "churn", "-rate", "100", "-size", "20"]);
        using var client = Client(target.Process.Id);
        await using var session = await client.StartSessionAsync([new EventPipeProvider(EventPipeProvider.Runtime, 1, 4)], 1, 0, withStacks: false, CancellationToken.None);
        var streaming = session.Stream.CopyToAsync(Stream.Null);
        Assert.Equal("dotnet-leak", (await client.ReadProcessInfoAsync(CancellationToken.None)).Assembly);
        await session.StopAsync(CancellationToken.None);
        await streaming.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_runtime_that_has_no_socket_of_its_own_in_reach_is_recognised_where_it_dials()
    {
        await using var target = await DotNetLeak.StartAsync(environment: Dialling, flags: ["-kind", "none"]);
        await KnowsAsync(target.Process.Id);
        var found = DotNetProcess.TryFind(_proc, target.Process.Id, _port);
        Assert.Equal(Path, Assert.IsType<DiagnosticsSearch.Found>(found?.FindEndpoint(_port)).Endpoint.Address);
    }

    [Fact]
    public async Task Two_runtimes_that_give_themselves_the_same_number_are_told_apart()
    {
        await using var first = StartInOwnNamespace();
        await using var second = StartInOwnNamespace();
        var (outerFirst, outerSecond) = (await InnerAsync(first), await InnerAsync(second));
        Assert.Equal(_proc.OwnPid(outerFirst), _proc.OwnPid(outerSecond));
        using var toFirst = Client(outerFirst);
        using var toSecond = Client(outerSecond);
        var told = await toFirst.ReadProcessInfoAsync(CancellationToken.None);
        var toldSecond = await toSecond.ReadProcessInfoAsync(CancellationToken.None);
        Assert.Equal(told.Pid, toldSecond.Pid);
        Assert.NotEqual(told.Cookie, toldSecond.Cookie);
        // Whose the cookie is shows when one of the two is gone.
        await first.DisposeAsync();
        await Eventually.Holds(() => _port.Knows(outerFirst, (int)told.Pid), knows => !knows, "the first one to be forgotten", TimeSpan.FromSeconds(10));
        Assert.Equal(toldSecond.Cookie, (await toSecond.ReadProcessInfoAsync(CancellationToken.None)).Cookie);
    }

    [Fact]
    public async Task A_runtime_that_starts_again_is_found_again()
    {
        var cookies = new HashSet<Guid>();
        for (var life = 0; life < 2; life++)
        {
            await using var target = await DotNetLeak.StartAsync(environment: Dialling, flags: ["-kind", "none"]);
            using var client = Client(target.Process.Id);
            cookies.Add((await client.ReadProcessInfoAsync(CancellationToken.None)).Cookie);
        }
        Assert.Equal(2, cookies.Count);
    }

    [Fact]
    public async Task A_sidecar_that_starts_again_is_found_by_the_runtime()
    {
        await using var target = await DotNetLeak.StartAsync(environment: Dialling, flags: ["-kind", "none"]);
        await KnowsAsync(target.Process.Id);
        _port.Dispose();
        Assert.False(File.Exists(Path));
        using var next = Open();
        using var client = new DiagnosticsClient(new ReversedEndpoint(next, target.Process.Id, target.Process.Id), TimeProvider.System);
        Assert.Equal("dotnet-leak", (await client.ReadProcessInfoAsync(CancellationToken.None)).Assembly);
    }

    [Fact]
    public void A_socket_that_was_left_behind_is_replaced_and_nothing_else_is()
    {
        var stale = _folder.File("stale");
        using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            socket.Bind(new UnixDomainSocketEndPoint(stale));
        using (DiagnosticPortListener.Open(stale, TimeProvider.System, NullLogger.Instance))
            Assert.Equal((UnixFileMode)0b110_110_110, OperatingSystem.IsLinux() ? File.GetUnixFileMode(stale) : default);
        Assert.Contains("another program listens", Assert.Throws<DiagnosticsException>(() => Open()).Message, StringComparison.Ordinal);
        File.WriteAllText(_folder.File("file"), "precious");
        Assert.Throws<DiagnosticsException>(() => DiagnosticPortListener.Open(_folder.File("file"), TimeProvider.System, NullLogger.Instance));
        Assert.Equal("precious", File.ReadAllText(_folder.File("file")));
        Assert.Throws<DiagnosticsException>(() => DiagnosticPortListener.Open(_folder.File("no/such/folder"), TimeProvider.System, NullLogger.Instance));
        Assert.Throws<DiagnosticsException>(() => DiagnosticPortListener.Open(_folder.File(new string('p', 200)), TimeProvider.System, NullLogger.Instance));
    }

    [Fact]
    public async Task Garbage_and_silence_keep_no_runtime_out()
    {
        var others = new List<Socket>();
        try
        {
            for (var i = 0; i < DiagnosticPortListener.MaxGreeting; i++)
                others.Add(Dial(i % 2 == 0 ? [] : "GET / HTTP/1.1\r\nHost: premortem\r\n\r\n"u8.ToArray()));
            // They may keep it waiting for as long as anybody may take to say who he is.
            await using var target = await DotNetLeak.StartAsync(environment: Dialling, flags: ["-kind", "none"]);
            await KnowsAsync(target.Process.Id);
            Assert.Equal(1, _port.Waiting);
        }
        finally
        {
            others.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public async Task One_process_has_one_place_however_often_it_dials()
    {
        using var first = Dial(Advertise());
        using var second = Dial(Advertise());
        using var third = Dial(Advertise());
        // The older ones are hung up on.
        await Eventually.Holds(() => ((Socket[])[first, second, third]).Count(socket => socket.Poll(0, SelectMode.SelectRead)), closed => closed == 2, "two that are closed");
        Assert.Equal(1, _port.Waiting);
    }

    [Fact]
    public async Task A_runtime_that_never_dials_again_times_out()
    {
        using var dialled = Dial(Advertise());
        await KnowsAsync(Environment.ProcessId);
        using var client = Client(Environment.ProcessId);
        Assert.Equal(Reasons.TimedOut, (await Assert.ThrowsAsync<DiagnosticsException>(() => client.ReadProcessInfoAsync(CancellationToken.None))).Reason);
        Assert.Equal(Reasons.TimedOut, (await Assert.ThrowsAsync<DiagnosticsException>(() => client.ReadProcessInfoAsync(CancellationToken.None))).Reason);
    }

    private static byte[] Advertise() => [.. "ADVR_V1\0"u8, .. Guid.NewGuid().ToByteArray(), .. BitConverter.GetBytes((ulong)Environment.ProcessId), 0, 0];

    private DiagnosticPortListener Open() => DiagnosticPortListener.Open(Path, TimeProvider.System, NullLogger.Instance);

    private Socket Dial(byte[] said)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(Path));
        socket.Send(said);
        return socket;
    }

    private DiagnosticsClient Client(int pid) => new(new ReversedEndpoint(_port, pid, _proc.OwnPid(pid) ?? pid), TimeProvider.System);

    private Task<bool> KnowsAsync(int pid) =>
        Eventually.Holds(() => _port.Knows(pid, _proc.OwnPid(pid) ?? pid), knows => knows, $"process {pid} at the port", TimeSpan.FromSeconds(30));

    /// <summary>In a PID namespace of its own, where the same steps give the same numbers.</summary>
    private ChildProcess StartInOwnNamespace() => ChildProcess.Start(
        "unshare",
        ["--pid", "--fork", "--mount", "--propagation", "unchanged", "--kill-child", "/bin/sh", "-c", SidecarProcess.OwnProc + "\"$0\" -kind none; exit", DotNetLeak.Program],
        environment: Dialling);

    private async Task<int> InnerAsync(ChildProcess unshare)
    {
        await unshare.WaitForLineAsync(", ready", TimeSpan.FromSeconds(30));
        // Of a program in another mount namespace the path may be shown from another root.
        var name = System.IO.Path.GetFileName(DotNetLeak.Program);
        return _proc.Pids().Single(pid => System.IO.Path.GetFileName(_proc.Executable(pid)) == name && IsBelow(pid, unshare.Id));
    }

    private bool IsBelow(int pid, int ancestor)
    {
        while (pid > 1 && pid != ancestor)
            pid = (int)(_proc.Stat(pid)?.ParentPid ?? 0);
        return pid == ancestor;
    }
}
