using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Targets;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Targets;

/// <summary>The test process is the target of those tests that play the server themselves.</summary>
public sealed class PprofEndpointFinderTests : IDisposable
{
    private const string Index = "<html><title>/debug/pprof/</title><a href='goroutine?debug=1'>goroutine</a><a href='heap?debug=1'>heap</a>";

    private readonly PprofEndpointFinder _finder = new(TimeProvider.System);

    public void Dispose() => _finder.Dispose();

    [Theory]
    [InlineData("127.0.0.1:0", "http", "127.0.0.1")]
    [InlineData("127.0.0.1:0", "https", "127.0.0.1", "-tls")]
    [InlineData("[::1]:0", "http", "[::1]")]
    [InlineData("[::1]:0", "https", "[::1]", "-tls")]
    [InlineData(":0", "http", "[::1]")]
    public async Task A_Go_program_is_found_by_its_sockets(string address, string scheme, string host, params string[] flags)
    {
        Need.Part(!host.StartsWith('[') || Socket.OSSupportsIPv6, "IPv6 is switched off");
        await using var target = await GoLeak.StartAsync(flags: ["-addr", address, "-size", "1", .. flags]);
        var found = await FoundAsync(target.Process.Id, new GoOptions());
        Assert.Equal($"{scheme}://{host}:{target.Pprof.Port}/debug/pprof/", found.Endpoint.AbsoluteUri);
        Assert.Equal(SocketScope.Process, found.Scope);
        Assert.Equal(found, await FoundAsync(target.Process.Id, new GoOptions(target.Pprof.Port)));
    }

    [Fact]
    public async Task A_path_of_the_policys_own_is_asked()
    {
        await using var server = StubServer.Start(path => path == "/internal/prof/" ? (200, "", Encoding.UTF8.GetBytes(Index)) : (404, "", []));
        var found = await FoundAsync(Environment.ProcessId, new GoOptions(server.Address.Port, "internal/prof"));
        Assert.Equal(new Uri(server.Address, "/internal/prof/"), found.Endpoint);
    }

    [Fact]
    public async Task A_mux_without_an_index_is_known_by_its_heap_profile()
    {
        await using var server = StubServer.Start(path => path == "/debug/pprof/heap" ? (200, "", new byte[] { 0x1f, 0x8b, 8, 0 }) : (404, "", []));
        Assert.Equal(server.Address.Port, (await FoundAsync(Environment.ProcessId, new GoOptions(server.Address.Port))).Endpoint.Port);
    }

    [Theory]
    [InlineData(404, "", "answered http with 404")]
    [InlineData(200, "<html>welcome</html>", "200, not pprof")]
    [InlineData(401, "", "401")]
    public async Task What_each_port_answered_is_told(int status, string body, string detail)
    {
        await using var server = StubServer.Start(_ => (status, "", Encoding.UTF8.GetBytes(body)));
        var missing = await NotFoundAsync(server.Address.Port);
        Assert.Equal(Reasons.EndpointNotFound, missing.Reason);
        Assert.Contains($"127.0.0.1:{server.Address.Port} ", missing.Detail, StringComparison.Ordinal);
        Assert.Contains(detail, missing.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        await using var elsewhere = StubServer.Start(_ => (200, "", Encoding.UTF8.GetBytes(Index)));
        await using var server = StubServer.Start(path => (302, $"Location: {elsewhere.Address}debug/pprof/\r\n", []));
        await NotFoundAsync(server.Address.Port);
        Assert.Empty(elsewhere.Requests);
    }

    [Fact]
    public async Task A_port_that_says_nothing_costs_half_a_second()
    {
        await using var server = StubServer.Start((_, _, ct) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct));
        var clock = Stopwatch.StartNew();
        Assert.Equal(Reasons.TargetNotResponding, (await NotFoundAsync(server.Address.Port)).Reason);
        Assert.InRange(clock.Elapsed, PprofEndpointFinder.ProbeTimeout * 0.9, PprofEndpointFinder.ProbeTimeout + TimeSpan.FromSeconds(3));
    }

    [Fact]
    public async Task An_index_without_end_is_read_to_its_bound()
    {
        await using var server = StubServer.Start(async (_, stream, ct) =>
        {
            await stream.WriteAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(), ct);
            while (true)
                await stream.WriteAsync(new byte[4096], ct);
        });
        Assert.Equal(Reasons.EndpointNotFound, (await NotFoundAsync(server.Address.Port)).Reason);
    }

    [Fact]
    public async Task A_port_that_does_not_speak_HTTP_is_told_so()
    {
        await using var server = StubServer.Start((_, stream, ct) => stream.WriteAsync("SSH-2.0-OpenSSH_9.2\r\n"u8.ToArray(), ct).AsTask());
        Assert.Contains("does not speak HTTP", (await NotFoundAsync(server.Address.Port)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_process_that_listens_nowhere_is_told_so()
    {
        await using var silent = ChildProcess.Start("/bin/sleep", ["60"]);
        var missing = Assert.IsType<PprofSearch.NotFound>(await _finder.FindAsync(silent.Id, new GoOptions(), default));
        Assert.Equal((Reasons.EndpointNotFound, "the process listens on no TCP port"), (missing.Reason, missing.Detail));
    }

    [Fact]
    public async Task A_port_in_the_policy_that_nobody_listens_on_is_told()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        Assert.Contains("took no connection", (await NotFoundAsync(port)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_pprof_of_another_process_in_the_namespace_is_not_taken()
    {
        await using var target = await GoLeak.StartAsync(flags: ["-size", "1"]);
        await using var other = await GoLeak.StartAsync(flags: ["-size", "2"]);
        var found = AnotherUser.Runs(() => FoundAsync(target.Process.Id, new GoOptions(target.Pprof.Port)).GetAwaiter().GetResult());
        Assert.Equal((target.Pprof.Port, SocketScope.NetworkNamespace), (found.Endpoint.Port, found.Scope));
        var missing = AnotherUser.Runs(() => _finder.FindAsync(target.Process.Id, new GoOptions(other.Pprof.Port), default).GetAwaiter().GetResult());
        Assert.Contains("the pprof of another process", Assert.IsType<PprofSearch.NotFound>(missing).Detail, StringComparison.Ordinal);
    }

    private async Task<PprofSearch.Found> FoundAsync(int pid, GoOptions options)
    {
        var search = await _finder.FindAsync(pid, options, default);
        return search as PprofSearch.Found ?? throw new InvalidOperationException(search.ToString());
    }

    private async Task<PprofSearch.NotFound> NotFoundAsync(int port) =>
        Assert.IsType<PprofSearch.NotFound>(await _finder.FindAsync(Environment.ProcessId, new GoOptions(port), default));
}
