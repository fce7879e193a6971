using System.Buffers;
using Premortem.Contracts;
using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>Makes the type table of a nettrace stream that somebody kept: of its heap snapshot, else of its allocations.</summary>
public static class TypeTableReader
{
    private const int BufferBytes = 64 * 1024;

    /// <param name="stream">The stream, not compressed. It may end anywhere: the table then is that of a part.</param>
    /// <exception cref="ProfileFormatException">It is no nettrace stream, or has neither.</exception>
    public static TypeTable Read(Stream stream)
    {
        var heap = new HeapSnapshotTable();
        var allocations = new AllocationTable();
        var last = 0L;
        var reader = new NettraceReader((in NettraceEvent item) =>
        {
            heap.OnEvent(item);
            allocations.OnEvent(item);
            last = Math.Max(last, item.Timestamp);
        });
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            int read;
            while ((read = stream.Read(buffer)) > 0)
                reader.Feed(buffer.AsSpan(0, read));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        if (heap.Objects > 0)
            return heap.ToTable(reader.Dropped, int.MaxValue);
        if (allocations.Count == 0)
            throw new ProfileFormatException("the nettrace stream has no heap and no allocations; dotnet-trace and PerfView show what it has", reader.Received);
        var header = reader.Header!;
        var seconds = TimeSpan.FromSeconds(Math.Round(header.Between(header.StartTimestamp, last).TotalSeconds));
        return allocations.ToTable(MeasureOf(seconds), isPartial: !reader.HasEnded || reader.Dropped > 0, int.MaxValue);
    }

    /// <summary>What a table of allocations calls what it counted.</summary>
    public static string MeasureOf(TimeSpan duration) => $"allocations of {Durations.Format(duration)}";
}
