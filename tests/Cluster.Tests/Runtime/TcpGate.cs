using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using k8s;
using Premortem.Testing;

namespace Premortem.Cluster.Tests.Runtime;

/// <summary>The way of one client to an API server, which a test can shut: connections break, and new ones are refused.</summary>
internal sealed class TcpGate : IAsyncDisposable
{
    private readonly Uri _server;
    private readonly ConcurrentDictionary<Socket, bool> _sockets = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private volatile bool _isShut;

    private TcpGate(Uri server)
    {
        _server = server;
        _listener.Start();
        _ = AcceptAsync();
    }

    public Kubernetes Client { get; private set; } = null!;

    public static TcpGate To(KubeApiServer server)
    {
        var gate = new TcpGate(server.Url);
        var configuration = KubernetesClientConfiguration.BuildConfigFromConfigFile(server.AdminKubeconfig);
        configuration.Host = $"https://{gate._listener.LocalEndpoint}";
        gate.Client = new Kubernetes(configuration);
        return gate;
    }

    public void Shut()
    {
        _isShut = true;
        foreach (var socket in _sockets.Keys)
            socket.Dispose();
    }

    public void Open() => _isShut = false;

    public ValueTask DisposeAsync()
    {
        _listener.Dispose();
        Shut();
        return ValueTask.CompletedTask;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = PassAsync(await _listener.AcceptSocketAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task PassAsync(Socket client)
    {
        using var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        _sockets[client] = _sockets[server] = true;
        try
        {
            if (_isShut)
                return;
            await server.ConnectAsync(_server.Host, _server.Port);
            await using var one = new NetworkStream(client);
            await using var other = new NetworkStream(server);
            await Task.WhenAny(one.CopyToAsync(other), other.CopyToAsync(one));
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
        }
        finally
        {
            client.Dispose();
            _sockets.TryRemove(client, out _);
            _sockets.TryRemove(server, out _);
        }
    }
}
