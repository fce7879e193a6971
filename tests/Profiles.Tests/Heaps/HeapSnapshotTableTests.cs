using Premortem.Profiles.Heaps;
using Premortem.Profiles.Nettrace;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Heaps;

public sealed class HeapSnapshotTableTests
{
    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Objects_are_counted_by_type_whether_its_name_comes_before_or_behind_them(int pointerSize)
    {
        var encoder = NettraceEncoder.Start(pointerSize: pointerSize);
        encoder
            .Event(1, NettraceEncoder.GCStart(3))
            .Event(15, NettraceEncoder.BulkTypes((1, "System.String")))
            .Event(18, encoder.BulkNodes(0, (1, 40), (2, 48), (1, 22)))
            .Event(15, NettraceEncoder.BulkTypes((2, "Shop.Order")))
            .Event(18, encoder.BulkNodes(1, (2, 48)))
            .Event(2, NettraceEncoder.GCEnd(3));
        var (heap, reader) = Read(encoder);
        var table = heap.ToTable(reader.Dropped);

        Assert.Equal([new TypeRow("Shop.Order", 2, 96), new TypeRow("System.String", 2, 62)], table.Rows);
        Assert.Equal((4, 158, false), (table.Objects, table.Bytes, table.IsPartial));
        Assert.Equal(TypeTable.LiveObjects, table.Measure);
        Assert.True(heap.HasEnded);
    }

    [Fact]
    public void A_walk_whose_collection_has_not_ended_is_partial()
    {
        var encoder = NettraceEncoder.Start();
        // The end of another collection is not the end of this one.
        encoder.Event(1, NettraceEncoder.GCStart(3)).Event(18, encoder.BulkNodes(0, (1, 40))).Event(2, NettraceEncoder.GCEnd(2));
        var (heap, reader) = Read(encoder);

        Assert.False(heap.HasEnded);
        Assert.True(heap.ToTable(reader.Dropped).IsPartial);
    }

    [Fact]
    public void A_collection_before_the_walk_does_not_end_it()
    {
        var encoder = NettraceEncoder.Start();
        encoder
            .Event(1, NettraceEncoder.GCStart(2, depth: 0)).Event(2, NettraceEncoder.GCEnd(2, depth: 0))
            .Event(1, NettraceEncoder.GCStart(3)).Event(18, encoder.BulkNodes(0, (1, 40)));
        Assert.False(Read(encoder).Heap.HasEnded);

        encoder.Event(2, NettraceEncoder.GCEnd(3));
        Assert.True(Read(encoder).Heap.HasEnded);
    }

    [Fact]
    public void A_walk_whose_end_was_dropped_ends_with_the_next_collection_and_is_partial()
    {
        var encoder = NettraceEncoder.Start();
        encoder
            .Event(1, NettraceEncoder.GCStart(3)).Event(18, encoder.BulkNodes(0, (1, 40)))
            .Event(1, NettraceEncoder.GCStart(4, depth: 0), skipped: 100);
        var (heap, reader) = Read(encoder);

        Assert.True(heap.HasEnded);
        Assert.True(heap.ToTable(reader.Dropped).IsPartial);
    }

    [Fact]
    public void Nodes_that_claim_more_than_they_bring_make_the_table_partial()
    {
        var encoder = NettraceEncoder.Start();
        byte[] nodes = [.. encoder.BulkNodes(0, (1, 40))];
        nodes[4] = 200;
        encoder.Event(1, NettraceEncoder.GCStart(3)).Event(18, nodes).Event(18, encoder.BulkNodes(1, (1, 40))).Event(2, NettraceEncoder.GCEnd(3));
        var (heap, reader) = Read(encoder);

        Assert.True(heap.ToTable(reader.Dropped).IsPartial);
        Assert.Equal(1, heap.Objects);
    }

    [Fact]
    public void Types_beyond_the_bound_count_in_the_sums_alone()
    {
        var encoder = NettraceEncoder.Start();
        encoder.Event(1, NettraceEncoder.GCStart(3));
        for (var i = 0; i < TypeTally.MaxTypes + 500; i += 500)
            encoder.Event(18, encoder.BulkNodes(i, [.. Enumerable.Range(i, 500).Select(type => ((ulong)type, 32UL))]));
        encoder.Event(2, NettraceEncoder.GCEnd(3));
        var (heap, reader) = Read(encoder);
        var table = heap.ToTable(reader.Dropped);

        Assert.Equal(TypeTally.MaxTypes + 500, table.Objects);
        Assert.Equal((TypeTally.MaxTypes + 500) * 32, table.Bytes);
        Assert.Equal(TypeTally.MaxTypes, Assert.Single(table.Rows).Objects);
    }

    [Fact]
    public void A_name_is_cut_and_a_size_that_no_memory_has_does_not_overflow()
    {
        var encoder = NettraceEncoder.Start();
        encoder
            .Event(1, NettraceEncoder.GCStart(3))
            .Event(15, NettraceEncoder.BulkTypes((1, new string('x', 5000))))
            .Event(18, encoder.BulkNodes(0, (1, ulong.MaxValue), (1, ulong.MaxValue)));
        var row = Assert.Single(Read(encoder).Heap.ToTable(0).Rows);

        Assert.Equal(TypeTally.MaxNameLength + 1, row.Name.Length);
        Assert.True(row.Bytes > 0);
    }

    [Fact]
    public void Events_of_other_providers_are_none_of_the_heaps()
    {
        var encoder = NettraceEncoder.Start();
        encoder.Event(18, encoder.BulkNodes(0, (1, 40)), provider: "My-Source");

        Assert.Equal(0, Read(encoder).Heap.Objects);
    }

    private static (HeapSnapshotTable Heap, NettraceReader Reader) Read(NettraceEncoder encoder)
    {
        var heap = new HeapSnapshotTable();
        var reader = new NettraceReader(heap.OnEvent);
        reader.Feed(encoder.ToArray());
        return (heap, reader);
    }
}
