using System.IO.Compression;
using Premortem.Profiles.DotNet;
using Premortem.Profiles.GoTrace;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Nettrace;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>What a file turned out to be, whatever its name says.</summary>
public abstract record ProfileContent
{
    // Enough for the first block of any gzip stream to give its first bytes.
    private const int HeadBytes = 64 * 1024;

    private ProfileContent()
    {
    }

    /// <summary>A pprof profile, the text that Go gives for one, or one made of the nettrace stream of CPU samples.</summary>
    public sealed record Functions(PprofProfile Profile) : ProfileContent;

    /// <summary>A type table, or the nettrace stream of a heap or of allocations.</summary>
    public sealed record Types(TypeTable Table) : ProfileContent;

    /// <summary>The nettrace stream of a heap, read with what its objects refer to.</summary>
    public sealed record Heap(HeapGraph Graph) : ProfileContent;

    /// <summary>An execution trace of Go's.</summary>
    public sealed record Trace(GoTraceSummary Summary) : ProfileContent;

    /// <summary>Reads a stream to its end; gzip or not.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="withGraph">Of a heap, read also what objects refer to: seconds and some hundred megabytes for ten million objects.</param>
    /// <exception cref="ProfileFormatException">It is none of them, or none that is whole and valid.</exception>
    public static ProfileContent Read(Stream stream, bool withGraph = false)
    {
        var start = stream.CanSeek ? stream.Position : 0;
        var head = new byte[HeadBytes];
        head = head[..stream.ReadAtLeast(head, HeadBytes, throwOnEndOfStream: false)];
        var isGzip = head is [0x1F, 0x8B, ..];
        var first = isGzip ? Unpacked(head) : head;
        var source = stream;
        if (stream.CanSeek)
            stream.Position = start;
        else
            source = new TailStream(head, stream);
        if (NettraceReader.IsNettrace(first))
            return isGzip ? ReadPacked(source, withGraph) : TraceContent.Read(source, withGraph);
        if (GoTraceReader.IsOne(first))
            return new Trace(GoTraceReader.Read(source));
        if (LegacyText.IsOne(first))
        {
            var (text, length) = ProfileBytes.Read(source, PprofProfile.DefaultMaxBytes);
            return new Functions(LegacyText.Read(text.AsSpan(0, length)));
        }
        return first.AsSpan().TrimStart(" \t\r\n"u8) is [(byte)'{', ..]
            ? new Types(TypesFile.Read(source))
            : new Functions(PprofProfile.Read(source));
    }

    private static ProfileContent ReadPacked(Stream source, bool withGraph)
    {
        using var gzip = new GZipStream(source, CompressionMode.Decompress, leaveOpen: true);
        try
        {
            return TraceContent.Read(gzip, withGraph);
        }
        catch (InvalidDataException e)
        {
            throw new ProfileFormatException("damaged gzip data", source.CanSeek ? source.Position : 0, compressed: true, e);
        }
    }

    /// <summary>The first bytes of what was compressed; none where they cannot be had.</summary>
    private static byte[] Unpacked(byte[] head)
    {
        var first = new byte[96];
        try
        {
            using var gzip = new GZipStream(new MemoryStream(head), CompressionMode.Decompress);
            return first[..gzip.ReadAtLeast(first, first.Length, throwOnEndOfStream: false)];
        }
        catch (InvalidDataException)
        {
            // Whoever reads it says what is wrong with it.
            return [];
        }
    }
}
