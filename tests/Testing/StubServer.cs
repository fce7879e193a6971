using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Premortem.Testing;

/// <summary>Answers each HTTP request on loopback with exactly the bytes that the test writes, and then closes the connection.</summary>
public sealed class StubServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly Func<string, Stream, CancellationToken, Task> _answer;

    private StubServer(Func<string, Stream, CancellationToken, Task> answer)
    {
        _answer = answer;
        _listener.Start();
        Address = new Uri($"http://{_listener.LocalEndpoint}/");
        _ = AcceptAsync();
    }

    public Uri Address { get; }

    /// <summary>The request lines so far: <c>GET /debug/pprof/heap HTTP/1.1</c>.</summary>
    public IReadOnlyCollection<string> Requests => _requests;

    /// <param name="answer">Takes the path with its query, where to write the answer, and a token that ends with the test.</param>
    public static StubServer Start(Func<string, Stream, CancellationToken, Task> answer) => new(answer);

    /// <summary>One that answers with a status, headers (each with its line's end) and a body.</summary>
    public static StubServer Start(Func<string, (int Status, string Headers, byte[] Body)> answer) => Start(async (path, stream, ct) =>
    {
        var (status, headers, body) = answer(path);
        await stream.WriteAsync(Encoding.Latin1.GetBytes($"HTTP/1.1 {status} Status\r\nContent-Length: {body.Length}\r\nConnection: close\r\n{headers}\r\n"), ct);
        await stream.WriteAsync(body, ct);
    });

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
            try
            {
                await using var stream = client.GetStream();
                var head = new StringBuilder();
                var buffer = new byte[4096];
                while (!head.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
                {
                    var read = await stream.ReadAsync(buffer, _stop.Token);
                    if (read == 0)
                        return;
                    head.Append(Encoding.Latin1.GetString(buffer, 0, read));
                }
                var line = head.ToString().Split('\r')[0];
                _requests.Enqueue(line);
                await _answer(line.Split(' ') is [_, var path, ..] ? path : "", stream, _stop.Token);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
            {
                // The client hung up, or the test ended.
            }
    }
}
