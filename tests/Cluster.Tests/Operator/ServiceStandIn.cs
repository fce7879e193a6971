using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Premortem.Cluster.Tests.OperatorStory;

/// <summary>What a Service is on a node: one address, and behind it whichever replica takes the connection.</summary>
internal sealed class ServiceStandIn : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<int, byte> _backends = new();
    private readonly Task _accepting;

    public ServiceStandIn()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Add(int port) => _backends[port] = 0;

    /// <summary>New connections go elsewhere; those that are there stay.</summary>
    public void Remove(int port) => _backends.TryRemove(port, out _);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ForwardAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ForwardAsync(TcpClient client)
    {
        using (client)
            foreach (var port in _backends.Keys.Order())
            {
                using var backend = new TcpClient();
                try
                {
                    await backend.ConnectAsync(IPAddress.Loopback, port, _stop.Token);
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException)
                {
                    continue;
                }
                try
                {
                    await Task.WhenAny(client.GetStream().CopyToAsync(backend.GetStream(), _stop.Token), backend.GetStream().CopyToAsync(client.GetStream(), _stop.Token));
                }
                catch (Exception e) when (e is IOException or OperationCanceledException)
                {
                }
                return;
            }
    }
}
