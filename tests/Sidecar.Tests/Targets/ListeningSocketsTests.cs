using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Premortem.Sidecar.Targets;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Targets;

public sealed class ListeningSocketsTests : IDisposable
{
    private const string Header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    private readonly FakeProc _proc = new();

    public void Dispose() => _proc.Dispose();

    [Theory]
    [InlineData("0100007F:17AC", "127.0.0.1:6060", false)]
    [InlineData("00000000:17AC", "127.0.0.1:6060", true)]
    [InlineData("0200A8C0:0050", "192.168.0.2:80", false)]
    public void IPv4_addresses_are_read(string local, string expected, bool isWildcard)
    {
        _proc.With("net/tcp", Header + Line(0, local, "0A", 7)).WithLink("fd/3", "socket:[7]");
        AssertSockets((expected, isWildcard));
    }

    [Theory]
    [InlineData("00000000000000000000000001000000:17AC", "[::1]:6060", false)]
    [InlineData("00000000000000000000000000000000:17AC", "[::1]:6060", true)]
    [InlineData("0000000000000000FFFF00000100007F:17AC", "127.0.0.1:6060", false)]
    [InlineData("0000000000000000FFFF000000000000:17AC", "127.0.0.1:6060", true)]
    [InlineData("B80D0120000000000000000001000000:1F90", "[2001:db8::1]:8080", false)]
    public void IPv6_addresses_are_read(string local, string expected, bool isWildcard)
    {
        _proc.With("net/tcp6", Header + Line(0, local, "0A", 7)).WithLink("fd/3", "socket:[7]");
        AssertSockets((expected, isWildcard));
    }

    [Fact]
    public void Only_listening_sockets_of_the_process_count()
    {
        _proc
            .With("net/tcp", Header + Line(0, "0100007F:0051", "0A", 1) + Line(1, "0100007F:0050", "0A", 2) + Line(2, "0100007F:0052", "0A", 3) + Line(3, "0100007F:0053", "01", 4))
            .WithLink("fd/0", "/dev/null").WithLink("fd/3", "socket:[1]").WithLink("fd/4", "socket:[2]").WithLink("fd/5", "socket:[4]").WithLink("fd/6", "anon_inode:[eventpoll]");
        AssertSockets(("127.0.0.1:80", false), ("127.0.0.1:81", false));
        Assert.Equal(SocketScope.Process, ListeningSockets.Read(_proc.Root, FakeProc.Pid).Scope);
    }

    [Fact]
    public void A_process_that_is_gone_has_none() => Assert.Empty(ListeningSockets.Read(_proc.Root, 77).Sockets);

    [Theory]
    [InlineData("")]
    [InlineData("no table at all")]
    [InlineData(Header + "   0: ZZ00007F:17AC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1")]
    [InlineData(Header + "   0: 0100007F:17ACX 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1")]
    [InlineData(Header + "   0: 0100007F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1")]
    [InlineData(Header + "   0: 0100007F:17AC 00000000:0000 0A")]
    public void A_table_that_makes_no_sense_is_passed_over(string table)
    {
        _proc.With("net/tcp", table).WithLink("fd/3", "socket:[7]");
        AssertSockets();
    }

    [Theory]
    [InlineData("net:[1]", "net:[1]", false)]
    [InlineData("net:[1]", "net:[2]", true)]
    public void Another_network_namespace_is_noticed(string theirs, string ours, bool isAnother)
    {
        _proc.WithLink("ns/net", theirs).WithSelfLink("ns/net", ours);
        Assert.Equal(isAnother, ListeningSockets.Read(_proc.Root, FakeProc.Pid).InAnotherNetwork);
    }

    [Fact]
    public async Task Where_descriptors_may_not_be_read_the_whole_namespace_is_told()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var another = ChildProcess.Start("/bin/sleep", ["60"]);
        var mine = ListeningSockets.Read("/proc", another.Id);
        var stranger = AnotherUser.Runs(() => ListeningSockets.Read("/proc", another.Id));
        Assert.Equal((SocketScope.Process, 0), (mine.Scope, mine.Sockets.Count));
        Assert.Equal(SocketScope.NetworkNamespace, stranger.Scope);
        Assert.Contains(new ListeningSocket((IPEndPoint)listener.LocalEndpoint, IsWildcard: false), stranger.Sockets);
    }

    private static string Line(int slot, string local, string state, int inode) =>
        string.Create(CultureInfo.InvariantCulture, $"{slot,4}: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0000000000000000 100 0 0 10 0\n");

    private void AssertSockets(params (string EndPoint, bool IsWildcard)[] expected) =>
        Assert.Equal(
            expected.Select(each => new ListeningSocket(IPEndPoint.Parse(each.EndPoint), each.IsWildcard)),
            ListeningSockets.Read(_proc.Root, FakeProc.Pid).Sockets);
}
