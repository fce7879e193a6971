using System.Buffers.Binary;
using System.IO.Compression;

namespace Premortem.Profiles.Pprof;

/// <summary>Brings a profile's bytes into one buffer, decompressed where they are gzip, and never more of them than allowed.</summary>
internal static class ProfileBytes
{
    // Deflate cannot expand further than this, so that a made-up length in a gzip's tail cannot make us allocate at will.
    private const long MaxDeflateRatio = 1032;

    /// <summary>Reads to the stream's end. The array may be longer than the content.</summary>
    internal static (byte[] Data, int Length) Read(Stream stream, long maxBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxBytes);
        var limit = (int)Math.Min(maxBytes, Array.MaxLength - 1);
        Span<byte> head = stackalloc byte[2];
        var headLength = stream.ReadAtLeast(head, 2, throwOnEndOfStream: false);
        var source = new TailStream(head[..headLength].ToArray(), stream);
        var isGzip = headLength == 2 && head[0] == 0x1F && head[1] == 0x8B;
        var hint = Hint(stream, isGzip);
        // Known before a byte of it is kept. What a gzip file says of its length is not to be believed before it is unpacked.
        if (!isGzip && hint > limit)
            throw new ProfileFormatException($"the profile is larger than the {limit} bytes allowed", limit);
        return isGzip ? ReadGzip(source, limit, hint) : Drain(source, limit, hint, compressed: null);
    }

    private static (byte[] Data, int Length) ReadGzip(TailStream tail, int limit, long hint)
    {
        using var gzip = new GZipStream(tail, CompressionMode.Decompress, leaveOpen: true);
        (byte[] Data, int Length) content;
        try
        {
            content = Drain(gzip, limit, hint, tail);
        }
        catch (InvalidDataException e)
        {
            throw new ProfileFormatException("damaged gzip data", tail.Count, compressed: true, e);
        }
        // GZipStream ends quietly when its input does. A gzip file is whole when its last eight bytes are the checksum and length of
        // what came last out of it.
        var crc = BinaryPrimitives.ReadUInt32LittleEndian(tail.Tail);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(tail.Tail[4..]);
        if (tail.Count < 18 || length > content.Length || Crc32.Of(content.Data.AsSpan(content.Length - (int)length, (int)length)) != crc)
            throw new ProfileFormatException("the gzip data is cut off, or something follows it", tail.Count, compressed: true);
        return content;
    }

    private static (byte[] Data, int Length) Drain(Stream source, int limit, long hint, TailStream? compressed)
    {
        // One byte more than is allowed, to notice that there is more.
        var data = GC.AllocateUninitializedArray<byte>((int)Math.Min(Math.Max(hint + 1, 4096), (long)limit + 1));
        var length = 0;
        while (true)
        {
            var read = source.Read(data, length, data.Length - length);
            if (read == 0)
                return (data, length);
            length += read;
            if (length > limit)
                throw new ProfileFormatException(
                    $"the profile is larger than the {limit} bytes allowed{(compressed is null ? "" : " once decompressed")}",
                    compressed?.Count ?? length,
                    compressed is not null);
            if (length < data.Length)
                continue;
            var larger = GC.AllocateUninitializedArray<byte>((int)Math.Min((long)limit + 1, data.Length * 2L));
            data.AsSpan(0, length).CopyTo(larger);
            data = larger;
        }
    }

    /// <summary>How many bytes are to be expected, 0 where nobody knows. Two bytes have been read.</summary>
    private static long Hint(Stream stream, bool isGzip)
    {
        if (!stream.CanSeek)
            return 0;
        var left = stream.Length - stream.Position;
        if (!isGzip)
            return left + 2;
        if (left < 16)
            return 0;
        var position = stream.Position;
        Span<byte> size = stackalloc byte[4];
        stream.Position = stream.Length - 4;
        stream.ReadExactly(size);
        stream.Position = position;
        return Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(size), left * MaxDeflateRatio);
    }
}
