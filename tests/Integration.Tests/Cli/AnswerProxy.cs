using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Premortem.Integration.Tests.Cli;

/// <summary>A proxy on loopback before a real HTTP server that loses the network while answers are on their way.</summary>
internal sealed class AnswerProxy : IAsyncDisposable
{
    private readonly Uri _server;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly StringBuilder _requests = new();
    private readonly Task _accepting;
    private int _cuts;
    private long _afterBytes;

    private AnswerProxy(Uri server)
    {
        _server = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Endpoint => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>The requests' lines and headers, as they came.</summary>
    public string Requests
    {
        get
        {
            lock (_requests)
                return _requests.ToString();
        }
    }

    public static AnswerProxy Before(Uri server) => new(server);

    public void Forget()
    {
        lock (_requests)
            _requests.Clear();
    }

    /// <summary>The next connections are cut off when they have answered with so many bytes.</summary>
    public void CutAnswers(int connections, long afterBytes)
    {
        Volatile.Write(ref _afterBytes, afterBytes);
        Volatile.Write(ref _cuts, connections);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_end.Token);
                _connections.Add(Task.Run(() => ServeAsync(client)));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The end.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var server = new TcpClient();
        try
        {
            await server.ConnectAsync(_server.Host, _server.Port, _end.Token);
            await Task.WhenAny(RequestsAsync(client.GetStream(), server.GetStream()), AnswersAsync(server.GetStream(), client.GetStream()));
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // One of both sides has gone, as it may.
        }
        finally
        {
            client.LingerState = new LingerOption(true, 0);
            client.Dispose();
        }
    }

    private async Task RequestsAsync(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[16 << 10];
        while (await from.ReadAsync(buffer, _end.Token) is var read and > 0)
        {
            lock (_requests)
                _requests.Append(Encoding.ASCII.GetString(buffer, 0, read));
            await to.WriteAsync(buffer.AsMemory(0, read), _end.Token);
        }
    }

    private async Task AnswersAsync(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[16 << 10];
        for (long passed = 0; await from.ReadAsync(buffer, _end.Token) is var read and > 0; passed += read)
        {
            if (passed + read > Volatile.Read(ref _afterBytes) && Volatile.Read(ref _cuts) > 0 && Interlocked.Decrement(ref _cuts) >= 0)
                return;
            await to.WriteAsync(buffer.AsMemory(0, read), _end.Token);
        }
    }
}
