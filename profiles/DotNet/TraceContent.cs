using System.Buffers;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.DotNet;

/// <summary>Tells what a nettrace stream that somebody kept is about, and makes it: of its heap snapshot, else of its CPU samples, else of its allocations.</summary>
internal static class TraceContent
{
    private const int BufferBytes = 64 * 1024;

    /// <param name="stream">The stream, not compressed. It may end anywhere: what is made of it then says that it is of a part.</param>
    /// <param name="withGraph">Of a heap, what its objects refer to as well.</param>
    /// <exception cref="ProfileFormatException">It is no nettrace stream, or has none of them.</exception>
    internal static ProfileContent Read(Stream stream, bool withGraph = false)
    {
        var graph = withGraph ? new HeapSnapshotGraph() : null;
        var heap = new HeapSnapshotTable();
        var allocations = new AllocationTable();
        var cpu = new CpuTrace();
        var last = 0L;
        NettraceReader? reader = null;
        reader = new NettraceReader(
            (in NettraceEvent item) =>
            {
                heap.OnEvent(item);
                graph?.OnEvent(item);
                allocations.OnEvent(item);
                cpu.OnEvent(item);
                last = Math.Max(last, item.Timestamp);
            },
            (id, addresses) => cpu.OnStack(id, addresses, reader!.Header!.PointerSize));
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
        if (heap.Objects > 0 && graph is not null)
            return new ProfileContent.Heap(graph.ToGraph(isPartial: !heap.HasEnded || reader.Dropped > 0, reader.Header));
        if (heap.Objects > 0)
            return new ProfileContent.Types(heap.ToTable(reader.Dropped, int.MaxValue));
        if (cpu.Count > 0)
            return new ProfileContent.Functions(cpu.ToProfile(reader));
        if (allocations.Count == 0)
            throw new ProfileFormatException("the nettrace stream has no heap, no CPU samples and no allocations; dotnet-trace and PerfView show what it has", reader.Received);
        var header = reader.Header!;
        var seconds = TimeSpan.FromSeconds(Math.Round(header.Between(header.StartTimestamp, last).TotalSeconds));
        return new ProfileContent.Types(allocations.ToTable(TypeTableReader.MeasureOf(seconds), isPartial: !reader.HasEnded || reader.Dropped > 0, int.MaxValue));
    }
}
