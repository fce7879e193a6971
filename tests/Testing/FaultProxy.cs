using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Premortem.Testing;

/// <summary>
/// A proxy before a real HTTP server, which does the network's and the server's misdeeds on demand. What it does not spoil it passes on as it
/// is. It understands bodies with a Content-Length, one request after the other.
/// </summary>
public sealed class FaultProxy : IAsyncDisposable
{
    private readonly Uri _server;
    private readonly IPAddress _address;
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentDictionary<Socket, Task> _connections = new();
    private TcpListener _listener;
    private Task _accepting;
    private int _unavailable, _full, _cuts, _corruptions, _hangs, _requests;
    private long _cutAfterBytes, _bytesPerSecond = long.MaxValue;

    private FaultProxy(Uri server, IPAddress address)
    {
        _server = server;
        _address = address;
        (_listener, _accepting) = Listen(0);
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
    }

    public int Port { get; }

    public Uri Endpoint => new(string.Create(CultureInfo.InvariantCulture, $"http://{_address}:{Port}"));

    /// <summary>How many requests have come so far, spoiled ones too.</summary>
    public int Requests => _requests;

    /// <summary>What every request's line and headers were, as they came.</summary>
    public ConcurrentQueue<string> Heads { get; } = new();

    /// <param name="address">Where it listens; null: on loopback.</param>
    public static FaultProxy Before(Uri server, IPAddress? address = null) => new(server, address ?? IPAddress.Loopback);

    /// <summary>The next requests are answered with 503 SlowDown.</summary>
    public void AnswerUnavailable(int requests) => Volatile.Write(ref _unavailable, requests);

    /// <summary>The next requests are answered as Ceph answers when a quota is used up: 403 QuotaExceeded.</summary>
    public void AnswerFull(int requests) => Volatile.Write(ref _full, requests);

    /// <summary>The next requests with a longer body are cut off when so much of it has passed.</summary>
    public void CutBodies(int requests, long afterBytes)
    {
        Volatile.Write(ref _cutAfterBytes, afterBytes);
        Volatile.Write(ref _cuts, requests);
    }

    /// <summary>One byte of the next requests' bodies arrives changed.</summary>
    public void CorruptBodies(int requests) => Volatile.Write(ref _corruptions, requests);

    /// <summary>The next requests are taken and never answered.</summary>
    public void Hang(int requests) => Volatile.Write(ref _hangs, requests);

    /// <summary>How fast bodies pass from now on, each connection for itself.</summary>
    public void Slow(long bytesPerSecond) => Volatile.Write(ref _bytesPerSecond, bytesPerSecond);

    /// <summary>Cuts every connection and refuses new ones.</summary>
    public async Task GoDownAsync()
    {
        _listener.Stop();
        await _accepting;
        foreach (var connection in _connections.Keys)
            Cut(connection);
    }

    public void ComeBack() => (_listener, _accepting) = Listen(Port);

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await GoDownAsync();
        await Task.WhenAll(_connections.Values);
        _end.Dispose();
    }

    private static bool Take(ref int left)
    {
        if (Volatile.Read(ref left) <= 0)
            return false;
        return Interlocked.Decrement(ref left) >= 0;
    }

    // With a reset instead of an orderly end, as a broken network does.
    private static void Cut(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is ObjectDisposedException or SocketException)
        {
            // It is cut already.
        }
        socket.Dispose();
    }

    private static async Task<byte[]?> ReadHeadAsync(NetworkStream stream, CancellationToken ct)
    {
        var head = new MemoryStream();
        var one = new byte[1];
        while (await stream.ReadAsync(one, ct) == 1)
        {
            head.WriteByte(one[0]);
            if (one[0] == '\n' && head.Length >= 4 && head.GetBuffer().AsSpan(0, (int)head.Length).EndsWith("\r\n\r\n"u8))
                return head.ToArray();
        }
        return null;
    }

    private static long ContentLength(string head) =>
        head.Split("\r\n").FirstOrDefault(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)) is { } line
            ? long.Parse(line.AsSpan(line.IndexOf(':') + 1).Trim(), CultureInfo.InvariantCulture)
            : 0;

    private static async Task DiscardAsync(NetworkStream stream, long bytes, CancellationToken ct)
    {
        var buffer = new byte[64 * 1024];
        while (bytes > 0 && await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, bytes)), ct) is var read and > 0)
            bytes -= read;
    }

    private (TcpListener Listener, Task Accepting) Listen(int port)
    {
        var listener = new TcpListener(_address, port);
        listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Start();
        return (listener, AcceptAsync(listener));
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                var socket = await listener.AcceptSocketAsync(_end.Token);
                _connections[socket] = Task.Run(() => ServeAsync(socket));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Down, or at the end.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var server = new TcpClient();
        try
        {
            await server.ConnectAsync(_server.Host, _server.Port, _end.Token);
            await using var toClient = new NetworkStream(socket);
            await using var toServer = server.GetStream();
            var answers = toServer.CopyToAsync(toClient, _end.Token);
            while (await ReadHeadAsync(toClient, _end.Token) is { } head)
                if (!await PassAsync(head, toClient, toServer))
                    break;
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // One of both sides has gone, as it may.
        }
        finally
        {
            Cut(socket);
            Cut(server.Client);
            _connections.TryRemove(socket, out _);
        }
    }

    /// <returns>Whether the connection goes on.</returns>
    private async Task<bool> PassAsync(byte[] headBytes, NetworkStream toClient, NetworkStream toServer)
    {
        var head = Encoding.ASCII.GetString(headBytes);
        var length = ContentLength(head);
        Heads.Enqueue(head);
        Interlocked.Increment(ref _requests);
        if (Take(ref _hangs))
        {
            await DiscardAsync(toClient, length, _end.Token);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _end.Token);
        }
        if (Take(ref _unavailable))
            return await RefuseAsync("503 Slow Down", "SlowDown", "Reduce your request rate.");
        if (Take(ref _full))
            return await RefuseAsync("403 Forbidden", "QuotaExceeded", "The quota is used up.");
        var cutAfter = length > Volatile.Read(ref _cutAfterBytes) && Take(ref _cuts) ? Volatile.Read(ref _cutAfterBytes) : long.MaxValue;
        var corrupt = length > 0 && Take(ref _corruptions);
        await toServer.WriteAsync(headBytes, _end.Token);
        var buffer = new byte[64 * 1024];
        for (long passed = 0; passed < length;)
        {
            var rate = Volatile.Read(ref _bytesPerSecond);
            var most = Math.Min(Math.Min(length, cutAfter) - passed, Math.Min(buffer.Length, Math.Max(1, rate / 20)));
            if (most == 0)
                return false;
            var read = await toClient.ReadAsync(buffer.AsMemory(0, (int)most), _end.Token);
            if (read == 0)
                return false;
            if (corrupt && passed == 0)
                buffer[0] ^= 1;
            await toServer.WriteAsync(buffer.AsMemory(0, read), _end.Token);
            passed += read;
            if (rate != long.MaxValue)
                await Task.Delay(TimeSpan.FromSeconds((double)read / rate), TimeProvider.System, _end.Token);
        }
        return true;

        async Task<bool> RefuseAsync(string status, string code, string message)
        {
            var body = $"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message><RequestId>1</RequestId></Error>";
            await DiscardAsync(toClient, length, _end.Token);
            await toClient.WriteAsync(
                Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {body.Length}\r\n\r\n{body}")), _end.Token);
            return true;
        }
    }
}
