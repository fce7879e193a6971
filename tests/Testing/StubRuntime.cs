using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;

namespace Premortem.Testing;

/// <summary>A diagnostics server on a Unix socket that answers each command with exactly the bytes that the test writes, and then closes.</summary>
public sealed class StubRuntime : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<(byte Set, byte Command, byte[] Payload)> _commands = new();
    private readonly Func<byte, byte, byte[], Stream, CancellationToken, Task> _answer;

    private StubRuntime(Func<byte, byte, byte[], Stream, CancellationToken, Task> answer)
    {
        _answer = answer;
        Path = _folder.File("socket");
        _listener.Bind(new UnixDomainSocketEndPoint(Path));
        _listener.Listen();
        _ = AcceptAsync();
    }

    public string Path { get; }

    /// <summary>The commands so far.</summary>
    public IReadOnlyCollection<(byte Set, byte Command, byte[] Payload)> Commands => _commands;

    /// <summary>The payload of an answer that says yes: a session's id, say.</summary>
    public static byte[] Ok(params byte[] payload) => Answer(0, payload);

    public static byte[] Error(uint code, string? message = null)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, code);
        return Answer(0xFF, message is null ? bytes : [.. bytes, .. NettraceEncoder.I32(message.Length + 1), .. NettraceEncoder.Text(message)]);
    }

    /// <param name="answer">Takes command set, command, payload, where to write the answer, and a token that ends with the test.</param>
    public static StubRuntime Start(Func<byte, byte, byte[], Stream, CancellationToken, Task> answer) => new(answer);

    /// <summary>One that starts a session with these bytes, and then does as the test says; commands to stop it are answered.</summary>
    public static StubRuntime Streaming(byte[] nettrace, Func<Stream, CancellationToken, Task>? then = null) => Start(async (set, command, _, stream, ct) =>
    {
        await stream.WriteAsync(Ok([.. NettraceEncoder.I64(7)]), ct);
        if ((set, command) is (2, 1))
            return;
        await stream.WriteAsync(nettrace, ct);
        if (then is not null)
            await then(stream, ct);
    });

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        _stop.Dispose();
        _folder.Dispose();
    }

    private static byte[] Answer(byte command, byte[] payload)
    {
        var size = new byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(size, (ushort)(20 + payload.Length));
        return [.. Encoding.ASCII.GetBytes("DOTNET_IPC_V1\0"), .. size, 0xFF, command, 0, 0, .. payload];
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptAsync(_stop.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(Socket client)
    {
        await using var stream = new NetworkStream(client, ownsSocket: true);
        try
        {
            var header = new byte[20];
            await stream.ReadExactlyAsync(header, _stop.Token);
            var payload = new byte[BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(14)) - header.Length];
            await stream.ReadExactlyAsync(payload, _stop.Token);
            _commands.Enqueue((header[16], header[17], payload));
            await _answer(header[16], header[17], payload, stream, _stop.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The client hung up, or the test ended.
        }
    }
}
