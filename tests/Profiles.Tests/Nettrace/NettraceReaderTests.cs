using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Nettrace;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Nettrace;

public sealed class NettraceReaderTests
{
    private static readonly byte[] Valid = Everything().ToArray();

    [Theory]
    [InlineData(true, 8)]
    [InlineData(false, 8)]
    [InlineData(true, 4)]
    public void Every_part_of_a_stream_is_read(bool isCompressed, int pointerSize)
    {
        var encoder = NettraceEncoder.Start(pointerSize: pointerSize, isCompressed: isCompressed);
        encoder.Type(77, "My-Source", 5, "Ordered", 3, ("id", 9), ("who", 18));
        encoder.Event(1, [1, 2, 3], at: 1500, thread: 40, stack: 2).Event(2, [], at: 1600, thread: 41).Stacks(2, [1, 2, 3, 4, 5, 6, 7, 8], []);
        var reading = Reading.Of(encoder.ToArray());

        Assert.Equal(new NettraceHeader(NettraceEncoder.StartedAt, 1000, 1_000_000, pointerSize, 4711, 2), reading.Reader.Header);
        Assert.Equal(
            [(NettraceEncoder.Runtime, 1, 40L, 2, "010203"), (NettraceEncoder.Runtime, 2, 41L, 0, "")],
            reading.Events.Select(item => (item.Type.Provider, item.Type.EventId, item.Thread, item.Stack, Convert.ToHexString(item.Payload))));
        Assert.Equal(NettraceEncoder.StartedAt + TimeSpan.FromMicroseconds(500), reading.Events[0].At);
        Assert.Equal([(2, "0102030405060708"), (3, "")], reading.Stacks);
        Assert.True(reading.Reader.HasEnded);
        Assert.Equal((2, 0), (reading.Reader.Events, reading.Reader.Dropped));
        Assert.Equal(reading.Reader.Received, reading.Reader.WholeBytes);
    }

    [Fact]
    public void An_event_type_says_what_its_events_hold()
    {
        var encoder = NettraceEncoder.Start().Type(1, "My-Source", 5, "Ordered", 3, ("id", 9), ("who", 18));
        var type = Assert.Single(Reading.Of(encoder.Event(5, [], provider: "My-Source", version: 3).ToArray()).Events).Type;

        Assert.Equal(("My-Source", 5, 3, 4, 1UL, false), (type.Provider, type.EventId, type.Version, type.Level, type.Keywords, type.IsRuntime));
    }

    [Fact]
    public void Fields_and_names_are_those_of_the_description()
    {
        NettraceEventType? seen = null;
        var encoder = NettraceEncoder.Start().Event(9, []).Flush();
        // The event that follows is of the first type: described again, with a name and fields.
        encoder.Type(1, "My-Source", 5, "Ordered", 3, ("id", 9), ("who", 18)).Event(9, []);
        var reader = new NettraceReader((in NettraceEvent item) => seen = item.Type);
        reader.Feed(encoder.ToArray());

        Assert.Equal("Ordered", seen!.Name);
        Assert.Equal([new NettraceField("id", 9), new NettraceField("who", 18)], seen.Fields);
    }

    [Fact]
    public void Headers_that_say_only_what_differs_add_up()
    {
        var reading = Reading.Of(NettraceEncoder.Start().Run(7, thread: 3, [[1], [2], [3, 3]]).ToArray());

        Assert.Equal(["01", "02", "0303"], reading.Events.Select(item => Convert.ToHexString(item.Payload)));
        Assert.Equal([1000L, 1003, 1006], reading.Events.Select(item => (long)(item.At - NettraceEncoder.StartedAt).TotalMicroseconds));
        Assert.Equal(0, reading.Reader.Dropped);
    }

    [Fact]
    public void Dropped_events_are_counted_by_the_gaps_of_a_thread()
    {
        var encoder = NettraceEncoder.Start()
            .Event(1, []).Event(1, [], skipped: 4).Event(1, [], thread: 2).Event(1, [], thread: 2, skipped: 1);

        Assert.Equal(5, Reading.Of(encoder.ToArray()).Reader.Dropped);
    }

    [Fact]
    public void Events_dropped_at_the_end_are_told_by_the_sequence_point()
    {
        var encoder = NettraceEncoder.Start().Event(1, []).SequencePoint((1, 11), (2, 3)).Event(1, []);

        // Ten of the first thread, three of one that got none through.
        Assert.Equal(13, Reading.Of(encoder.ToArray()).Reader.Dropped);
    }

    [Fact]
    public void A_thread_that_takes_over_the_id_of_a_dead_one_drops_nothing()
    {
        var encoder = NettraceEncoder.Start().Event(1, []).Event(1, []).SequencePoint().SequencePoint((1, 0)).Event(1, []);

        Assert.Equal(0, Reading.Of(encoder.ToArray()).Reader.Dropped);
    }

    [Fact]
    public void Blocks_of_an_unknown_kind_are_left_out()
    {
        var encoder = NettraceEncoder.Start().Block("NewBlock", [1, 2, 3]).Event(1, []);

        Assert.Single(Reading.Of(encoder.ToArray()).Events);
    }

    [Fact]
    public void A_stream_that_is_cut_anywhere_gives_all_that_was_whole_and_says_so()
    {
        var whole = Reading.Of(Valid);
        var ends = new List<(long At, int Events)>();
        var reader = new NettraceReader((in NettraceEvent _) => { });
        for (var i = 0; i < Valid.Length; i++)
        {
            reader.Feed(Valid.AsSpan(i, 1));
            Assert.Equal(i + 1, reader.Received);
            if (ends.Count == 0 || ends[^1].At != reader.WholeBytes)
                ends.Add((reader.WholeBytes, (int)reader.Events));
        }
        for (var length = 0; length < Valid.Length; length++)
        {
            var cut = Reading.Of(Valid.AsSpan(0, length));

            var (at, events) = ends.Last(end => end.At <= length);
            Assert.False(cut.Reader.HasEnded);
            Assert.Equal((length, at, events), ((int)cut.Reader.Received, cut.Reader.WholeBytes, cut.Events.Count));
            Assert.Equal(whole.Events.Take(events).Select(item => item.ToString()), cut.Events.Select(item => item.ToString()));
        }
    }

    [Property(MaxTest = 300)]
    public void The_pieces_in_which_a_stream_comes_make_no_difference(PositiveInt[] pieces)
    {
        var whole = Reading.Of(Valid);
        var reading = new Reading();
        var at = 0;
        for (var i = 0; at < Valid.Length; i++)
        {
            var length = Math.Min(Valid.Length - at, pieces.Length == 0 ? 7 : pieces[i % pieces.Length].Get);
            reading.Reader.Feed(Valid.AsSpan(at, length));
            at += length;
        }

        Assert.True(reading.Reader.HasEnded);
        Assert.Equal(whole.Events.Select(item => item.ToString()), reading.Events.Select(item => item.ToString()));
    }

    public static TheoryData<string, byte[], string> Broken() => new()
    {
        { "HTML", "<html><body>404</body></html>"u8.ToArray(), "does not start as a nettrace stream" },
        { "a pprof profile", PprofEncoder.Heap().ToGzip(), "does not start as a nettrace stream" },
        { "version 3", [.. "\x14\0\0\0!FastSerialization.1"u8], "older than version 4" },
        { "version 6", [.. "Nettrace"u8, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, .. new byte[16]], "version 6 or later" },
        { "a future version", NettraceEncoder.Start(version: 7, readerVersion: 7).ToArray(), "version 7" },
        { "another serialization", [.. "Nettrace\x14\0\0\0!FastSerialization.2"u8], "no version of the format" },
        { "no clock", NettraceEncoder.Start(frequency: 0).ToArray(), "clock of 0 Hz" },
        { "pointers of three bytes", NettraceEncoder.Start(pointerSize: 3).ToArray(), "pointers of 3 bytes" },
        { "two headers", NettraceEncoder.Start().Wrapped("Trace", 4, 4, new byte[48]).ToArray(), "a second time" },
        { "no header", [.. NettraceEncoder.Start().ToArray().AsSpan(0, 32), .. new NettraceEncoder().Block("EventBlock", []).ToArray()], "does not begin with what describes it" },
        { "an object of another kind", NettraceEncoder.Start().Wrapped("Module", 4, 4, []).ToArray(), "unknown type 'Module'" },
        { "a tag that is none", NettraceEncoder.Start().Raw(9).ToArray(), "the tag 9" },
        { "a block as large as memory", NettraceEncoder.Start().Block("EventBlock", [], int.MaxValue).ToArray(), "claims 2147483647 bytes" },
        { "a block of less than nothing", NettraceEncoder.Start().Block("EventBlock", [], -1).ToArray(), "claims -1 bytes" },
        { "a block that ends elsewhere", NettraceEncoder.Start().Block("EventBlock", [0, 0, 0, 0, 0], 3).Raw(9, 9).ToArray(), "should end" },
        { "a block without its header", NettraceEncoder.Start().Block("EventBlock", [20, 0]).ToArray(), "shorter than its header" },
        { "an event that nothing described", NettraceEncoder.Start().Block("EventBlock", [4, 0, 1, 0, 1, 99, 0]).ToArray(), "type 99" },
        { "an event longer than its block", NettraceEncoder.Start().Block("EventBlock", [4, 0, 1, 0, 128, 0, 99]).ToArray(), "ends behind its block" },
        { "a number without end", NettraceEncoder.Start().Block("EventBlock", [4, 0, 1, 0, 1, .. Enumerable.Repeat((byte)255, 12)]).ToArray(), "ends behind its block" },
        { "a description cut short", NettraceEncoder.Start().Block("MetadataBlock", [4, 0, 1, 0, 128, 0, 3, 1, 0, 0]).ToArray(), "ends too early" },
        { "a name without end", NettraceEncoder.Start().Type(1, new string('x', 2000), 1, "", 1).ToArray(), "more than 1024 characters" },
        { "a sequence point cut short", NettraceEncoder.Start().Block("SPBlock", [.. new byte[8], 9, 0, 0, 0]).ToArray(), "list of its threads" },
        { "stacks cut short", NettraceEncoder.Start().Block("StackBlock", [1, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0]).ToArray(), "a stack ends behind" },
        { "something behind the end", [.. NettraceEncoder.Start().ToArray(), 1], "follows the end" },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public void What_is_no_stream_is_refused_with_the_reason(string what, byte[] bytes, string reason)
    {
        var exception = Assert.Throws<ProfileFormatException>(() => Reading.Of(bytes));

        Assert.True(exception.Message.Contains(reason, StringComparison.Ordinal), $"{what}: {exception.Message}");
        Assert.InRange(exception.Offset, 0, bytes.Length);
    }

    [Fact]
    public void A_stream_that_describes_types_without_end_is_refused()
    {
        var encoder = NettraceEncoder.Start();
        for (var i = 0; i <= NettraceReader.MaxEventTypes; i++)
            encoder.Type(i + 1, "P", i, "", 1);

        Assert.Contains("more event types", Assert.Throws<ProfileFormatException>(() => Reading.Of(encoder.ToArray())).Message, StringComparison.Ordinal);
    }

    [Property(MaxTest = 2000)]
    public void A_damaged_stream_is_read_or_refused_and_nothing_else(NonEmptyArray<(ushort At, byte Value)> changes)
    {
        var bytes = (byte[])Valid.Clone();
        foreach (var (at, value) in changes.Get)
            bytes[at % bytes.Length] = value;
        var heap = new HeapSnapshotTable();
        var allocations = new AllocationTable();
        var collections = new GcStatsReader(_ => { });
        var reader = new NettraceReader((in NettraceEvent item) =>
        {
            heap.OnEvent(item);
            allocations.OnEvent(item);
            collections.OnEvent(item);
        }, (_, _) => { });
        var exception = Record.Exception(() => reader.Feed(bytes));

        Assert.True(exception is null or ProfileFormatException, $"{exception}");
        _ = heap.ToTable(reader.Dropped);
        _ = allocations.ToTable("allocations", isPartial: false);
    }

    [Fact]
    public void The_memory_of_the_reader_does_not_grow_with_the_stream()
    {
        var (head, block) = Enumerable.Range(0, 4).Select(Nodes).First(parts => parts.Block.Length % 4 == 0);
        var heap = new HeapSnapshotTable();
        var reader = new NettraceReader(heap.OnEvent);
        reader.Feed(head);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 2000; i++)
        {
            // In two pieces, so that it has to be kept in between.
            reader.Feed(block.AsSpan(0, 5000));
            reader.Feed(block.AsSpan(5000));
        }
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(2_001_000, heap.Objects);
        Assert.InRange(allocated, 0, 128 * 1024);

        // Blocks are aligned within the stream: one whose length is a multiple of that can be repeated as it is.
        static (byte[] Head, byte[] Block) Nodes(int filling)
        {
            var encoder = NettraceEncoder.Start();
            byte[] nodes = [.. encoder.BulkNodes(0, [.. Enumerable.Range(0, 1000).Select(i => ((ulong)i, 24UL))]), .. new byte[filling]];
            var head = encoder.Event(1, NettraceEncoder.GCStart(1)).Event(18, nodes).ToArray()[..^1];
            return (head, encoder.Event(18, nodes).ToArray()[head.Length..^1]);
        }
    }

    private static NettraceEncoder Everything()
    {
        var encoder = NettraceEncoder.Start();
        return encoder
            .Event(9, [0, 0, 0, 0])
            .Event(1, NettraceEncoder.GCStart(7))
            .Event(15, NettraceEncoder.BulkTypes((1, "System.String"), (2, "Shop.Order")))
            .Event(18, encoder.BulkNodes(0, (1, 40), (2, 48), (2, 48)))
            .Run(18, thread: 1, [encoder.BulkNodes(1, (1, 24)), encoder.BulkNodes(2, (2, 48)), encoder.BulkNodes(3, (2, 48), (1, 22))])
            .Stacks(1, [1, 2, 3, 4, 5, 6, 7, 8])
            .Event(303, encoder.AllocationSampled(2, "Shop.Order", 48), thread: 5)
            .Event(10, encoder.AllocationTick(1, "System.String", 102_400, 40), thread: 5)
            .SequencePoint((1, 7), (5, 2))
            .Event(2, NettraceEncoder.GCEnd(7))
            .Event(4, NettraceEncoder.GCHeapStats(1, 2, 3, 4, 5))
            .Event(3, []);
    }

    private sealed class Reading
    {
        public Reading()
        {
            Reader = new NettraceReader(
                (in NettraceEvent item) => Events.Add(new Item(item.Type, item.ThreadId, item.StackId, item.Payload.ToArray(), item.Stream.TimeOf(item.Timestamp))),
                (id, addresses) => Stacks.Add((id, Convert.ToHexString(addresses))));
        }

        public NettraceReader Reader { get; }

        public List<Item> Events { get; } = [];

        public List<(int Id, string Addresses)> Stacks { get; } = [];

        public static Reading Of(ReadOnlySpan<byte> bytes)
        {
            var reading = new Reading();
            reading.Reader.Feed(bytes);
            return reading;
        }
    }

    private sealed record Item(NettraceEventType Type, long Thread, int Stack, byte[] Payload, DateTimeOffset At)
    {
        public override string ToString() => $"{Type.EventId} of {Thread} at {At:O}: {Convert.ToHexString(Payload)}";
    }
}
