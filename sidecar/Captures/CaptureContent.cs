using System.Buffers;
using System.IO.Compression;
using Premortem.Contracts;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// Verifies bodies as what they claim to be, as they come and in bounded memory; throws <see cref="ReceiveException"/> where they are not.
/// </summary>
internal static class CaptureContent
{
    private const int TraceHeaderBytes = 16;

    /// <summary>A profile.proto message, gzipped as Go sends it or bare, and nothing behind it.</summary>
    internal static async Task ReceiveProfileAsync(ReceivedBody body, long maxDecompressedBytes, CancellationToken ct)
    {
        var isGzip = (await body.PeekAsync(2)).Span.SequenceEqual<byte>([0x1f, 0x8b]);
        if (!isGzip)
        {
            await WalkAsync(body, maxDecompressedBytes, ct);
            return;
        }
        long length;
        await using (var content = new GZipStream(body, CompressionMode.Decompress, leaveOpen: true))
            try
            {
                length = await WalkAsync(content, maxDecompressedBytes, ct);
            }
            catch (InvalidDataException e) when (!body.DestinationFailed)
            {
                throw new ReceiveException(Reasons.InvalidContent, "its compressed data is damaged", isCut: false, e);
            }
        await body.DrainAsync();
        // The decompressor checks the sum and ignores what stands behind it; go tool pprof does not. A gzip file ends with its length.
        if (body.Tail != (uint)length)
            throw new ReceiveException(Reasons.InvalidContent, "the compressed profile is cut short, or something stands behind it");
    }

    /// <summary>An execution trace: it has a header and no end mark, so that the end of the body is all there is to know it whole.</summary>
    internal static async Task ReceiveTraceAsync(ReceivedBody body)
    {
        var head = await body.PeekAsync(TraceHeaderBytes + 1);
        if (!IsTrace(head.Span))
            throw new ReceiveException(Reasons.InvalidContent, "it does not start as a Go execution trace does");
        await body.DrainAsync();
    }

    /// <summary><c>go 1.26 trace</c>, filled up with zeros to 16 bytes, and something behind it.</summary>
    private static bool IsTrace(ReadOnlySpan<byte> head)
    {
        if (head.Length <= TraceHeaderBytes || !head.StartsWith("go 1."u8))
            return false;
        var rest = head["go 1.".Length..TraceHeaderBytes];
        var digits = rest.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        rest = rest[Math.Max(0, digits)..];
        return digits > 0 && rest.StartsWith(" trace"u8) && !rest[" trace".Length..].ContainsAnyExcept((byte)0);
    }

    private static async Task<long> WalkAsync(Stream content, long maxBytes, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ReceivedBody.BufferBytes);
        try
        {
            var walk = new ProfileWalk();
            long length = 0;
            int read;
            while ((read = await content.ReadAsync(buffer, ct)) > 0)
            {
                length += read;
                if (length > maxBytes)
                    throw new ReceiveException(Reasons.TooLarge, $"the profile unpacks to more than {Quantity.Format(maxBytes)}");
                if (!walk.Feed(buffer.AsSpan(0, read)))
                    break;
            }
            return walk.ProblemAtEnd is { } problem ? throw new ReceiveException(Reasons.InvalidContent, problem) : length;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
