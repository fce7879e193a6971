using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// What captures cost where nothing has been measured on this target: figures from measurements, on the safe side. docs/adr/0008 tells
/// where they are from.
/// </summary>
internal static class CaptureEstimates
{
    internal const long Mib = 1 << 20;

    /// <summary>What one object takes in the buffers of a snapshot. Nothing is drained while the GC walks the heap: all of it sits there.</summary>
    internal const int SnapshotBytesPerObject = 46;

    /// <summary>A snapshot whose buffers are too small loses objects, so they are made larger than is expected.</summary>
    internal const double SnapshotSafety = 1.25;

    /// <summary>What an EventPipe session takes beside its buffers.</summary>
    internal const long SessionBytes = 2 * Mib;

    /// <summary>
    /// A walk over the heap begins with a full collection, which takes memory of its own, and more of a larger heap. With 12 MiB left beside a
    /// heap of 350 a sample in buffers of 3 MiB got the target killed; up to 8 beside the buffers were measured.
    /// </summary>
    private const long LeastCollectionBytes = 6 * Mib;
    private const double CollectionShareOfHeap = 0.02;

    /// <summary>The buffers of a recording, which is drained while it runs; it was never seen to need more.</summary>
    internal const long RecordingBufferBytes = 16 * Mib;
    internal const long LeastRecordingBufferBytes = 1 * Mib;

    /// <summary>A sample of the heap: at least some forty thousand objects, enough beside a dump, and the most that is worth its memory.</summary>
    internal const long LeastSampleBytes = 2 * Mib;
    internal const long SmallSampleBytes = 16 * Mib;
    internal const long LargestSampleBytes = 256 * Mib;

    /// <summary>createdump runs in the target's cgroup; the target itself stands still and takes nothing.</summary>
    internal const long CreateDumpBytes = 12 * Mib;

    /// <summary>What a dump or a snapshot is compressed to, at worst: it has to fit into the spool.</summary>
    internal const int CompressedTo = 3;

    /// <summary>No capture stops the target for longer: a liveness probe with the usual settings gives up after 20 to 30 s.</summary>
    internal static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(20);

    private const double DumpBytesPerSecond = 300e6;
    private const double DrainBytesPerSecond = 100e6;
    private const double WalkSecondsPerObject = 300e-9;
    private const long TriageDumpBytes = 16 * Mib;

    private static readonly TimeSpan SessionTime = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan DumpTime = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan RundownTime = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestTail = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan GoTime = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ProcessTime = TimeSpan.FromMilliseconds(20);

    /// <summary>What a whole snapshot of the heap needs; null where nobody knows how large the heap is.</summary>
    internal static long? SnapshotBufferBytes(CaptureConditions now) =>
        now.Objects is { } objects ? Math.Max(LeastSampleBytes, UpToMib(objects * SnapshotBytesPerObject * SnapshotSafety)) : null;

    /// <summary>What a snapshot takes beside its buffers: the session, and the collection.</summary>
    internal static long BesideSnapshotBytes(CaptureConditions now) =>
        SessionBytes + Math.Max(LeastCollectionBytes, UpToMib((now.HeapBytes ?? now.ResidentBytes ?? 0) * CollectionShareOfHeap));

    /// <summary>How long the GC walks the heap with the managed threads stopped.</summary>
    internal static TimeSpan PauseOfWalk(CaptureConditions now) => Seconds((now.Objects ?? 0) * WalkSecondsPerObject);

    /// <summary>From the request until the walk is over.</summary>
    internal static TimeSpan WalkTime(CaptureConditions now) => SessionTime + PauseOfWalk(now);

    /// <summary>The walk, and until the last of it has left the buffers: only then is the target free to die.</summary>
    internal static TimeSpan SnapshotTime(CaptureConditions now, long bufferBytes) =>
        // What was measured was measured on the heap of that time.
        Measured(now, CaptureType.Heap, CaptureVariant.Snapshot) is { } measured
            ? Seconds(measured.TotalSeconds * (now.Measured.Objects is { } then ? Math.Max(1, now.Objects / then ?? 1) : 1))
            : (WalkTime(now) + Seconds(bufferBytes / DrainBytesPerSecond));

    internal static TimeSpan PauseOfDump(CaptureVariant kind, CaptureConditions now) => kind == CaptureVariant.TriageDump
        ? DumpTime
        : DumpTime + Seconds(DumpFileBytes(kind, now) / DumpBytesPerSecond);

    /// <summary>The size of the file that the runtime writes, before it is compressed.</summary>
    internal static long DumpFileBytes(CaptureVariant kind, CaptureConditions now) => kind switch
    {
        CaptureVariant.TriageDump => TriageDumpBytes,
        // A full one holds mapped files too.
        CaptureVariant.FullDump => (long)((now.ResidentBytes ?? 0) * 1.25) + (128 * Mib),
        _ => (now.ResidentBytes ?? 0) + (64 * Mib),
    };

    /// <summary>What a capture through Go's pprof, or of <c>/proc</c>, takes inside the target.</summary>
    internal static long GoBytes(CaptureType type, CaptureConditions now)
    {
        var floor = type switch
        {
            CaptureType.Process => 0,
            CaptureType.Trace => 8 * Mib,
            CaptureType.Cpu => 4 * Mib,
            // Mostly the compressor that the handler makes.
            _ => 2 * Mib,
        };
        // The profile is built in memory before it is compressed; that takes some sixteen times what comes.
        return now.Measured.Of(type) is { } cost && type != CaptureType.Process && !CaptureRequest.TakesTime(type)
            ? Math.Max(Math.Max(floor, Mib + (16 * cost.Bytes)), cost.RiseBytes ?? 0)
            : floor;
    }

    internal static TimeSpan InstantTime(CaptureType type, CaptureConditions now) =>
        Measured(now, type, null) ?? (type == CaptureType.Process ? ProcessTime : GoTime);

    /// <summary>What a recording takes beyond its duration: a .NET runtime tells the names of all methods at the end.</summary>
    internal static TimeSpan Tail(CaptureType type, CaptureVariant? variant, CaptureConditions now)
    {
        if (now.Runtime != RuntimeKind.DotNet)
            return TimeSpan.Zero;
        var tail = Measured(now, type, variant) ?? RundownTime;
        return tail < LongestTail ? tail : LongestTail;
    }

    internal static long UpToMib(double bytes) => bytes >= long.MaxValue / 4 ? long.MaxValue / 4 / Mib * Mib : (long)Math.Ceiling(bytes / Mib) * Mib;

    internal static long DownToMib(long bytes) => bytes < 0 ? 0 : bytes / Mib * Mib;

    private static TimeSpan? Measured(CaptureConditions now, CaptureType type, CaptureVariant? variant) => now.Measured.Of(type, variant)?.Time;

    /// <summary>In whole milliseconds, for people read them, and at most a day.</summary>
    private static TimeSpan Seconds(double seconds) => TimeSpan.FromMilliseconds(Math.Ceiling(Math.Min(seconds, 86400) * 1000));
}
