using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Premortem.Contracts;

namespace Premortem.Testing;

/// <summary>What sidecars report to, over TLS on loopback, with a certificate of an authority of its own; it answers what the test says.</summary>
public sealed class OperatorStub : IAsyncDisposable
{
    /// <summary>A name that nobody resolves: what the certificate is for.</summary>
    public const string Host = "premortem.premortem-system.svc.invalid";

    private static readonly DateTimeOffset s_from = TimeProvider.System.GetUtcNow().AddDays(-1), s_to = TimeProvider.System.GetUtcNow().AddDays(1);

    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<Request> _requests = new();
    private readonly X509Certificate2 _certificate;
    private int _handshakes;

    private OperatorStub(int port, string host, X509Certificate2? authority)
    {
        Authority = authority ?? NewAuthority();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        using var leaf = request.Create(Authority, s_from, s_to, RandomNumberGenerator.GetBytes(8));
        _certificate = leaf.CopyWithPrivateKey(key);
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Start();
        _ = AcceptAsync();
    }

    /// <summary>One that came over the wire, whatever was answered.</summary>
    public sealed record Request(string Path, string? Token, byte[] Body)
    {
        public JsonNode Json => JsonNode.Parse(Body)!;
    }

    public X509Certificate2 Authority { get; }

    /// <summary>How often somebody has begun to talk, whatever came of it.</summary>
    public int Handshakes => Volatile.Read(ref _handshakes);

    public string CaBundle => Authority.ExportCertificatePem();

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public ReportSettings Settings => new(string.Create(CultureInfo.InvariantCulture, $"https://{Host}:{Port}"), CaBundle, "127.0.0.1");

    /// <summary>The status that a request is answered with, headers (each with its line's end) and a body.</summary>
    public Func<Request, (int Status, string Headers, byte[] Body)> Answer { get; set; } = _ => (204, "", []);

    /// <summary>Held back until this completes.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public IReadOnlyList<Request> Requests => [.. _requests];

    public IReadOnlyList<Request> Captures => [.. _requests.Where(request => request.Path.StartsWith(ReportPaths.Captures, StringComparison.Ordinal))];

    public IReadOnlyList<Request> Statuses => [.. _requests.Where(request => request.Path == ReportPaths.Status)];

    /// <param name="port">0: any.</param>
    /// <param name="authority">Another's, where it takes the place of one that has gone; null: one of its own.</param>
    public static OperatorStub Start(int port = 0, string host = Host, X509Certificate2? authority = null) => new(port, host, authority);

    /// <summary>An authority of the kind that the operator makes for itself.</summary>
    public static X509Certificate2 NewAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=premortem test authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        return request.CreateSelfSigned(s_from, s_to);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        _certificate.Dispose();
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
            // The test ended.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
            try
            {
                await using var stream = new SslStream(client.GetStream());
                Interlocked.Increment(ref _handshakes);
                await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stop.Token);
                var pending = new MemoryStream();
                while (await ReadAsync(stream, pending) is { } request)
                {
                    await Gate.WaitAsync(_stop.Token);
                    _requests.Enqueue(request);
                    var (status, headers, body) = Answer(request);
                    await stream.WriteAsync(Encoding.Latin1.GetBytes(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} Status\r\nContent-Length: {body.Length}\r\n{headers}\r\n")), _stop.Token);
                    await stream.WriteAsync(body, _stop.Token);
                    await stream.FlushAsync(_stop.Token);
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or System.Security.Authentication.AuthenticationException)
            {
                // The client hung up or did not trust, or the test ended.
            }
    }

    private async Task<Request?> ReadAsync(SslStream stream, MemoryStream pending)
    {
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var bytes = pending.ToArray();
            if (bytes.AsSpan().IndexOf("\r\n\r\n"u8) is >= 0 and var end)
            {
                var head = Encoding.Latin1.GetString(bytes, 0, end).Split("\r\n");
                var length = int.Parse(head.FirstOrDefault(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))?.Split(':')[1] ?? "0", CultureInfo.InvariantCulture);
                if (bytes.Length >= end + 4 + length)
                {
                    pending.SetLength(0);
                    pending.Write(bytes.AsSpan(end + 4 + length));
                    var token = head.FirstOrDefault(line => line.StartsWith("Authorization: Bearer ", StringComparison.OrdinalIgnoreCase))?.Split(' ')[2];
                    return new Request(head[0].Split(' ')[1], token, bytes[(end + 4)..(end + 4 + length)]);
                }
            }
            var read = await stream.ReadAsync(buffer, _stop.Token);
            if (read == 0)
                return null;
            pending.Write(buffer, 0, read);
        }
    }
}
