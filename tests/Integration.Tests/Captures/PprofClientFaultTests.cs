using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Captures;

/// <summary>What a target may answer instead of a profile: always a reason, never a crash or a hang.</summary>
public sealed class PprofClientFaultTests
{
    private const string Pprof = "X-Go-Pprof: 1\r\n";

    private static readonly CaptureBounds s_bounds = new()
    {
        MaxBytes = 1024 * 1024,
        MaxDecompressedBytes = 8 * 1024 * 1024,
        Allowance = TimeSpan.FromMilliseconds(800),
        Stall = TimeSpan.FromMilliseconds(400),
    };

    // sample_type, string_table "" and "x".
    private static readonly byte[] s_profile = [0x0a, 4, 0x08, 1, 0x10, 1, 0x32, 0, 0x32, 1, (byte)'x'];

    [Theory]
    [InlineData(404, "", "404 page not found\n", Reasons.EndpointNotFound, "404 page not found")]
    [InlineData(404, Pprof, "Unknown profile\n", Reasons.NotSupportedByRuntime, "Unknown profile")]
    [InlineData(500, Pprof, "Could not enable CPU profiling: cpu profiling already in use\nmore", Reasons.EndpointRefused, "500: Could not enable CPU profiling: cpu profiling already in use")]
    [InlineData(401, "", "", Reasons.EndpointRefused, "401")]
    [InlineData(503, "", "\u001b[31mred", Reasons.EndpointRefused, "[31mred")]
    [InlineData(302, "Location: http://192.0.2.1/\r\n", "", Reasons.EndpointNotFound, "302")]
    [InlineData(400, Pprof, "profile duration exceeds server's WriteTimeout\n", Reasons.EndpointRefused, "WriteTimeout")]
    [InlineData(200, "", "<html>all is well</html>", Reasons.InvalidContent, "")]
    [InlineData(200, "", "", Reasons.InvalidContent, "")]
    public async Task An_answer_that_is_no_profile_fails_with_its_reason(int status, string headers, string body, string reason, string detail)
    {
        await using var server = StubServer.Start(_ => (status, headers, Encoding.UTF8.GetBytes(body)));
        var failed = await FailureAsync(server, CaptureType.Heap);
        Assert.Equal(reason, failed.Reason);
        Assert.EndsWith(detail, failed.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', failed.Detail);
    }

    [Fact]
    public async Task What_is_not_HTTP_is_invalid()
    {
        await using var server = StubServer.Start((_, stream, ct) => stream.WriteAsync("SSH-2.0-OpenSSH_9.2\r\n"u8.ToArray(), ct).AsTask());
        Assert.Equal(Reasons.InvalidContent, (await FailureAsync(server, CaptureType.Heap)).Reason);
    }

    [Theory]
    [InlineData(CaptureType.Heap)]
    [InlineData(CaptureType.Trace)]
    public async Task A_body_without_end_is_cut_at_the_bound(CaptureType type)
    {
        await using var server = StubServer.Start(async (_, stream, ct) =>
        {
            await stream.WriteAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(), ct);
            await stream.WriteAsync(type == CaptureType.Trace ? "go 1.19 trace\0\0\0"u8.ToArray() : s_profile, ct);
            // A string of 2^49 bytes, then one after the other.
            await stream.WriteAsync(new byte[] { 0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f }, ct);
            var block = new byte[64 * 1024];
            while (true)
                await stream.WriteAsync(block, ct);
        });
        var kept = new MemoryStream();
        var failed = await FailureAsync(server, type, kept);
        Assert.Equal(Reasons.TooLarge, failed.Reason);
        Assert.InRange(kept.Length, 1, s_bounds.MaxBytes);
    }

    [Fact]
    public async Task A_gzip_bomb_is_too_large()
    {
        var bomb = Gzip([.. s_profile, 0x32, 0xff, 0xff, 0xff, 0x7f, .. new byte[64 * 1024 * 1024]]);
        await using var server = StubServer.Start(_ => (200, "", bomb));
        Assert.Equal(Reasons.TooLarge, (await FailureAsync(server, CaptureType.Heap)).Reason);
    }

    [Fact]
    public async Task A_truncated_gzip_is_invalid()
    {
        var body = Gzip(s_profile);
        await using var server = StubServer.Start(_ => (200, "", body[..^3]));
        Assert.Equal(Reasons.InvalidContent, (await FailureAsync(server, CaptureType.Heap)).Reason);
    }

    [Theory]
    [InlineData(+7)]
    [InlineData(-7)]
    public async Task A_wrong_content_length_is_invalid(int error)
    {
        var body = Gzip(s_profile);
        await using var server = StubServer.Start(async (_, stream, ct) =>
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {body.Length + error}\r\n\r\n"), ct);
            await stream.WriteAsync(body, ct);
        });
        Assert.Equal(Reasons.InvalidContent, (await FailureAsync(server, CaptureType.Heap)).Reason);
    }

    [Fact]
    public async Task A_body_that_drips_is_timed_out()
    {
        await using var server = StubServer.Start(async (_, stream, ct) =>
        {
            await stream.WriteAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(), ct);
            while (true)
            {
                await stream.WriteAsync(s_profile, ct);
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, ct);
            }
        });
        var clock = Stopwatch.StartNew();
        Assert.Equal(Reasons.TimedOut, (await FailureAsync(server, CaptureType.Heap)).Reason);
        // The system's timers count whole milliseconds of another clock and may end a little before the stopwatch.
        Assert.InRange(clock.Elapsed, s_bounds.Allowance * 0.9, s_bounds.Allowance + TimeSpan.FromSeconds(3));
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n\n\u0004")]
    public async Task An_answer_that_stops_is_not_waited_for(string begun)
    {
        await using var server = StubServer.Start(async (_, stream, ct) =>
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(begun), ct);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct);
        });
        Assert.Equal(Reasons.TargetNotResponding, (await FailureAsync(server, CaptureType.Heap)).Reason);
    }

    [Fact]
    public async Task A_connection_closed_without_an_answer_is_told()
    {
        await using var server = StubServer.Start((_, _, _) => Task.CompletedTask);
        Assert.Equal(Reasons.TargetNotResponding, (await FailureAsync(server, CaptureType.Heap)).Reason);
    }

    [Fact]
    public async Task A_port_that_nobody_listens_on_refuses()
    {
        var server = StubServer.Start((_, _, _) => Task.CompletedTask);
        await server.DisposeAsync();
        Assert.Equal(Reasons.EndpointRefused, (await FailureAsync(server, CaptureType.Heap)).Reason);
        Assert.Equal(Reasons.TargetExited, (await FailureAsync(server, CaptureType.Heap, isAlive: false)).Reason);
    }

    [Fact]
    public async Task A_duration_beyond_the_servers_write_timeout_is_halved_until_it_fits()
    {
        await using var server = StubServer.Start(path => path.EndsWith("seconds=2", StringComparison.Ordinal) ? (200, "", s_profile) : (400, Pprof, "profile duration exceeds server's WriteTimeout\n"u8.ToArray()));
        using var client = Client(server);
        var result = await client.CaptureAsync(CaptureType.Cpu, TimeSpan.FromSeconds(10.9), Stream.Null, s_bounds, default);
        Assert.Equal(new CaptureResult.Captured(s_profile.Length, TimeSpan.FromSeconds(2)), result);
        Assert.Equal(["10", "5", "2"], server.Requests.Select(line => line.Split('=', ' ')[2]));
    }

    [Theory]
    [InlineData(CaptureType.Cpu, 0.2, "profile?seconds=1")]
    [InlineData(CaptureType.Cpu, 3.9, "profile?seconds=3")]
    [InlineData(CaptureType.Trace, 0.25, "trace?seconds=0.25")]
    [InlineData(CaptureType.ThreadCreate, 5, "threadcreate")]
    public async Task Durations_are_asked_for_as_pprof_takes_them(CaptureType type, double seconds, string asked)
    {
        await using var server = StubServer.Start(_ => (404, "", []));
        await FailureAsync(server, type, duration: TimeSpan.FromSeconds(seconds));
        Assert.Equal([$"GET /debug/pprof/{asked} HTTP/1.1"], server.Requests);
    }

    [Fact]
    public async Task A_full_disk_is_not_mistaken_for_the_network()
    {
        await using var server = StubServer.Start(_ => (200, "", s_profile));
        using var client = Client(server);
        var full = new IOException("No space left on device");
        Assert.Same(full, await Record.ExceptionAsync(() => client.CaptureAsync(CaptureType.Heap, null, new FullDisk(full), s_bounds, default)));
    }

    [Fact]
    public async Task The_callers_cancellation_is_his_own()
    {
        await using var server = StubServer.Start((_, _, ct) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct));
        using var client = Client(server);
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.CaptureAsync(CaptureType.Cpu, null, Stream.Null, s_bounds, soon.Token));
    }

    private static byte[] Gzip(byte[] content)
    {
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            gzip.Write(content);
        return packed.ToArray();
    }

    private static PprofClient Client(StubServer server, bool isAlive = true) => new(new Uri(server.Address, "debug/pprof/"), () => isAlive, TimeProvider.System);

    private static async Task<CaptureResult.Failed> FailureAsync(StubServer server, CaptureType type, Stream? destination = null, TimeSpan? duration = null, bool isAlive = true)
    {
        using var client = Client(server, isAlive);
        return Assert.IsType<CaptureResult.Failed>(await client.CaptureAsync(type, duration ?? TimeSpan.FromMilliseconds(100), destination ?? Stream.Null, s_bounds, default));
    }

    private sealed class FullDisk(Exception thrown) : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => throw thrown;
    }
}
