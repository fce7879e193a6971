using System.IO.Compression;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Contracts;
using Premortem.Sidecar.Captures;
using Xunit;

namespace Premortem.Sidecar.Tests.Captures;

public sealed class CaptureContentTests
{
    private const long MiB = 1024 * 1024;

    // sample_type {type: 1, unit: 2}, sample {location_id: 1, value: 4096}, string_table "", "inuse_space", "bytes", time_nanos, period.
    private static readonly byte[] s_profile =
    [
        0x0a, 4, 0x08, 1, 0x10, 2,
        0x12, 7, 0x0a, 1, 1, 0x12, 2, 0x80, 0x20,
        0x32, 0, 0x32, 11, .. "inuse_space"u8, 0x32, 5, .. "bytes"u8,
        0x48, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x17,
        0x60, 0x80, 0x80, 0x20,
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1 << 20)]
    public async Task A_profile_is_taken_however_it_comes(int piece)
    {
        foreach (var body in new[] { s_profile, Gzip(s_profile) })
        {
            var kept = new MemoryStream();
            await ReceiveProfileAsync(body, kept, piece);
            Assert.Equal(body, kept.ToArray());
        }
    }

    [Fact]
    public async Task A_gzipped_profile_cut_anywhere_is_refused()
    {
        var body = Gzip([.. s_profile, .. Enumerable.Range(0, 200).SelectMany(i => new byte[] { 0x68, (byte)(i & 0x7f) })]);
        for (var length = 0; length < body.Length; length++)
            Assert.Equal(Reasons.InvalidContent, await ReasonAsync(body[..length]));
    }

    [Fact]
    public async Task A_bare_profile_cut_within_a_field_is_refused()
    {
        int[] boundaries = [17, 30, 37, 47];
        for (var length = 0; length < s_profile.Length; length++)
            Assert.Equal(boundaries.Contains(length) ? null : Reasons.InvalidContent, await ReasonAsync(s_profile[..length]));
    }

    [Fact]
    public async Task Any_flipped_bit_of_a_gzipped_profile_is_noticed()
    {
        var body = Gzip(s_profile);
        // Bytes 4 to 9 of gzip's header hold a time, flags of the compressor and a system, which nothing checks.
        foreach (var at in Enumerable.Range(0, body.Length).Where(at => at is < 4 or > 9))
        {
            var damaged = (byte[])body.Clone();
            damaged[at] ^= 0x10;
            Assert.True(await ReasonAsync(damaged) == Reasons.InvalidContent, $"byte {at} of {body.Length}");
        }
    }

    [Theory]
    [InlineData("x")]
    [InlineData("\0")]
    [InlineData("something behind it")]
    public async Task What_stands_behind_the_gzip_is_noticed(string tail) =>
        Assert.Equal(Reasons.InvalidContent, await ReasonAsync([.. Gzip(s_profile), .. Encoding.ASCII.GetBytes(tail)]));

    [Fact]
    public async Task Two_gzip_members_are_not_what_Go_sends() =>
        Assert.Equal(Reasons.InvalidContent, await ReasonAsync([.. Gzip(s_profile), .. Gzip(s_profile)]));

    [Theory]
    [InlineData("")]
    [InlineData("<html><body>404</body></html>")]
    [InlineData("heap profile: 1: 2 [3: 4] @ heap/1048576")]
    [InlineData("{\"error\":\"no\"}")]
    public async Task Text_is_no_profile(string text)
    {
        Assert.Equal(Reasons.InvalidContent, await ReasonAsync(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(Reasons.InvalidContent, await ReasonAsync(Gzip(Encoding.UTF8.GetBytes(text))));
    }

    [Fact]
    public async Task A_profile_without_a_sample_type_or_strings_is_refused()
    {
        Assert.Equal(Reasons.InvalidContent, await ReasonAsync(s_profile[6..]));
        Assert.Equal(Reasons.InvalidContent, await ReasonAsync([.. s_profile[..15], .. s_profile[37..]]));
        Assert.Equal(Reasons.InvalidContent, await ReasonAsync([.. s_profile[..15], .. s_profile[17..]]));
    }

    [Fact]
    public async Task A_field_of_the_future_is_let_through() => Assert.Null(await ReasonAsync([.. s_profile, 0x82, 0x02, 2, 9, 9]));

    [Fact]
    public async Task A_bomb_is_given_up_when_it_has_unpacked_to_the_bound()
    {
        // 64 MiB of a string: a thousandth of it on the wire.
        var length = new byte[5];
        var bytes = 64 * MiB;
        for (var i = 0; i < 5; i++, bytes >>= 7)
            length[i] = (byte)((bytes & 0x7f) | (i < 4 ? 0x80L : 0));
        var bomb = Gzip([.. s_profile, 0x32, .. length, .. new byte[64 * MiB]]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(Reasons.TooLarge, await ReasonAsync(bomb, maxDecompressed: MiB));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MiB);
        Assert.Null(await ReasonAsync(bomb));
    }

    [Fact]
    public async Task No_more_than_the_bound_is_written()
    {
        var kept = new MemoryStream();
        var failure = await Assert.ThrowsAsync<ReceiveException>(() => ReceiveProfileAsync([.. s_profile, 0x32, 0xff, 0xff, 3, .. new byte[60_000]], kept, 1000, maxBytes: 10_000));
        Assert.Equal(Reasons.TooLarge, failure.Reason);
        Assert.InRange(kept.Length, 9_000, 10_000);
    }

    [Property]
    public Property No_bytes_break_it() => Prop.ForAll(
        Gen.Choose(0, 255).ArrayOf().ToArbitrary(),
        bytes =>
        {
            var body = bytes.Select(b => (byte)b).ToArray();
            _ = ReasonAsync(body).GetAwaiter().GetResult();
            _ = ReasonAsync([.. s_profile, .. body]).GetAwaiter().GetResult();
            _ = ReasonAsync([0x1f, 0x8b, .. body]).GetAwaiter().GetResult();
        });

    [Theory]
    [InlineData("go 1.19 trace\0\0\0x", true)]
    [InlineData("go 1.26 trace\0\0\0x", true)]
    [InlineData("go 1.5 trace\0\0\0\0x", true)]
    [InlineData("go 1.19 trace\0\0\0", false)]
    [InlineData("go 1.19 trace\0\0xx", false)]
    [InlineData("go 1. trace\0\0\0\0\0x", false)]
    [InlineData("go 1.19 tracexxxx", false)]
    [InlineData("go 1.12345678901234", false)]
    [InlineData("Could not enable tracing: tracing is already enabled", false)]
    [InlineData("", false)]
    public async Task A_trace_is_known_by_its_header(string text, bool isTrace)
    {
        foreach (var piece in new[] { 1, 1000 })
        {
            var kept = new MemoryStream();
            using var timer = Timer();
            await using var body = new ReceivedBody(new Pieces(Encoding.ASCII.GetBytes(text), piece), kept, MiB, timer, default);
            var failure = await Record.ExceptionAsync(() => CaptureContent.ReceiveTraceAsync(body));
            Assert.Equal(isTrace ? null : Reasons.InvalidContent, (failure as ReceiveException)?.Reason);
            Assert.True(!isTrace || kept.Length == text.Length);
        }
    }

    [Fact]
    public async Task What_the_destination_throws_comes_as_it_is()
    {
        using var timer = Timer();
        foreach (var thrown in new Exception[] { new IOException("No space left on device"), new InvalidDataException("of the disk's own") })
        {
            await using var body = new ReceivedBody(new MemoryStream(Gzip(s_profile)), new Broken(thrown), MiB, timer, default);
            Assert.Same(thrown, await Record.ExceptionAsync(() => CaptureContent.ReceiveProfileAsync(body, MiB, default)));
            Assert.True(body.DestinationFailed);
        }
    }

    private static byte[] Gzip(byte[] content)
    {
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            gzip.Write(content);
        return packed.ToArray();
    }

    private static ReceiveTimer Timer() => new(new CaptureBounds(), TimeSpan.Zero, TimeProvider.System, default);

    private static async Task<string?> ReasonAsync(byte[] body, long maxDecompressed = 256 * MiB) =>
        await Record.ExceptionAsync(() => ReceiveProfileAsync(body, Stream.Null, 4096, maxDecompressed: maxDecompressed)) switch
        {
            null => null,
            ReceiveException known => known.Reason,
            var other => other.ToString(),
        };

    private static async Task ReceiveProfileAsync(byte[] content, Stream destination, int piece, long maxBytes = 256 * MiB, long maxDecompressed = 256 * MiB)
    {
        using var timer = Timer();
        await using var body = new ReceivedBody(new Pieces(content, piece), destination, maxBytes, timer, default);
        await CaptureContent.ReceiveProfileAsync(body, maxDecompressed, default);
        Assert.Equal(content.Length, body.Received);
    }

    /// <summary>Bytes that come so many at a time.</summary>
    private sealed class Pieces(byte[] content, int piece) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(piece, buffer.Length)], cancellationToken);
    }

    private sealed class Broken(Exception thrown) : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => throw thrown;
    }
}
