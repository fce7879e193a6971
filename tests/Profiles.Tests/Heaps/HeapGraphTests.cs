using FsCheck;
using FsCheck.Xunit;
using Premortem.Profiles.Heaps;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Heaps;

public sealed class HeapGraphTests
{
    private static readonly Lazy<byte[]> s_orders = new(() => Gzip.Unpack(File.ReadAllBytes(Repository.TestData("orders.nettrace.gz"))));

    private static readonly Lazy<byte[]> s_everything = new(() =>
    {
        var heap = new SmallHeap()
            .Add("Slots", 24, "System.Object[]", "Cache", "Other").Add("Cache", 10, to: ["Entry", "Ring"]).Add("Entry", 90, to: ["Shared"]).Add("Other", 5, to: ["Shared"])
            .Add("Shared", 5_000_000_000).Add("Ring", 7, to: ["Ring2"]).Add("Ring2", 7, to: ["Ring"]).Add("Key").Add("Value", 100).Add("Alone", 3)
            .Root("Slots", kind: 2).Root("Other").Root("Ring2", kind: 1).Root("Key", kind: 2, flags: 1).Dependent("Key", "Value");
        return heap.Static("s_cache", "Cache", slot: heap.AddressOf("Slots") + 16).Static("t_other", "Other", flags: 1).Encode().ToArray();
    });

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void What_only_one_object_holds_is_retained_by_it_and_what_two_hold_by_whoever_holds_both(int pointerSize)
    {
        var graph = new SmallHeap { PointerSize = pointerSize }
            .Add("Cache", 100, to: ["Left", "Right"]).Add("Left", 10, to: ["OfLeft", "Shared"]).Add("Right", 20, to: ["Shared"])
            .Add("OfLeft", 1000).Add("Shared", 4000)
            .Static("s_cache", "Cache")
            .Read();

        Assert.Equal(("Cache", 5130L), Retained(graph)[0]);
        Assert.Equal([("Cache", 5130), ("Shared", 4000), ("Left", 1010), ("OfLeft", 1000), ("Right", 20)], Retained(graph));
        Assert.Equal(["static s_cache", "Cache", "Left", "OfLeft"], PathTo(graph, "OfLeft"));
        Assert.False(graph.IsPartial);
    }

    [Fact]
    public void Objects_that_hold_each_other_in_a_ring_are_retained_by_the_one_that_is_held_from_outside()
    {
        var graph = new SmallHeap()
            .Add("A", 1, to: ["B"]).Add("B", 2, to: ["C"]).Add("C", 4, to: ["A", "B"])
            .Root("B")
            .Read();

        Assert.Equal([("B", 7), ("C", 5), ("A", 1)], Retained(graph));
        Assert.Equal(["stack", "B", "C", "A"], PathTo(graph, "A"));
    }

    [Fact]
    public void Of_one_type_what_hangs_on_two_objects_counts_once()
    {
        // A list of three, each of 24 bytes and a name of 100.
        var graph = new SmallHeap()
            .Add("1", 24, "Node", "2", "a").Add("2", 24, "Node", "3", "b").Add("3", 24, "Node", "c")
            .Add("a", 100, "Name").Add("b", 100, "Name").Add("c", 100, "Name")
            .Root("1")
            .Read();

        Assert.Equal([("Node", 372), ("Name", 300)], Retained(graph));
        // The list is as long as it is, and told once.
        Assert.Equal(["stack", "Node", "Name"], PathTo(graph, "Name"));
        var name = Assert.Single(graph.Retention(paths: 9).Single(type => type.Name == "Name").Paths);
        Assert.Equal((3, 300), (name.Objects, name.Bytes));
    }

    [Fact]
    public void What_two_roots_hold_is_retained_by_no_object_but_itself()
    {
        var graph = new SmallHeap()
            .Add("Cache", 10, to: ["Shared"]).Add("Worker", 20, to: ["Shared"]).Add("Shared", 500)
            .Static("s_cache", "Cache").Root("Worker", kind: 2).Root("Worker")
            .Read();

        Assert.Equal([("Shared", 500), ("Worker", 20), ("Cache", 10)], Retained(graph));
    }

    [Fact]
    public void Of_paths_of_one_length_a_static_variable_is_told_before_a_handle_and_a_handle_before_a_stack()
    {
        var heap = new SmallHeap().Add("A").Add("B").Root("A").Root("A", kind: 2, flags: 1).Static("s_a", "A").Root("B").Root("B", kind: 2, flags: 1);
        var graph = heap.Read();

        Assert.Equal(["static s_a", "A"], PathTo(graph, "A"));
        Assert.Equal(["pinned handle", "B"], PathTo(graph, "B"));
    }

    [Fact]
    public void Each_object_counts_for_the_root_that_reaches_it_first()
    {
        var graph = new SmallHeap()
            .Add("List", 30, to: ["Order", "Shared"]).Add("Order", 100).Add("Shared", 50).Add("Local", 20, to: ["Order"]).Add("Alone", 40)
            .Static("s_orders", "List").Root("Shared").Root("Local")
            .Read();

        // The order is two steps from both, and the static variable comes before the stack; what is shared is one step from the stack.
        Assert.Equal([("static s_orders", 130), ("stack", 70), ("no root seen", 40)], graph.BytesByRoot().Select(root => (root.Key, root.Value)));
    }

    [Fact]
    public void A_weak_handle_holds_nothing_and_what_nothing_holds_is_said_to_be_so()
    {
        var graph = new SmallHeap().Add("Weak", 30).Add("Alone", 50, to: ["Nowhere"]).Root("Weak", kind: 2, flags: 2).Read();

        Assert.Equal([("Alone", 50), ("Weak", 30)], Retained(graph));
        Assert.Equal([PathTree.NoRoot, "Weak"], PathTo(graph, "Weak"));
    }

    [Fact]
    public void A_dependent_handle_holds_its_value_as_long_as_its_key_lives()
    {
        var graph = new SmallHeap().Add("Key", 1).Add("Value", 100).Dependent("Key", "Value").Root("Key").Read();

        Assert.Equal(["stack", "Key", "Value"], PathTo(graph, "Value"));
        Assert.Equal([("Key", 101), ("Value", 100)], Retained(graph));
    }

    [Fact]
    public void The_runtimes_array_of_static_variables_does_not_share_what_they_hold()
    {
        var heap = new SmallHeap().Add("Slots", 24, "System.Object[]", "Cache", "Other").Add("Cache", 10, to: ["Entry"]).Add("Entry", 90).Add("Other", 5);
        heap.Root("Slots", kind: 2).Static("s_cache", "Cache", slot: heap.AddressOf("Slots") + 16);
        var graph = heap.Read();

        Assert.Equal([("Cache", 100), ("Entry", 90), ("System.Object[]", 29), ("Other", 5)], Retained(graph));
        Assert.Equal(["static s_cache", "Cache", "Entry"], PathTo(graph, "Entry"));
        Assert.Equal(["handle", "System.Object[]", "Other"], PathTo(graph, "Other"));
    }

    [Theory]
    [InlineData(0x10000, 24)]
    // Downwards, and every object on a page of its own.
    [InlineData(0x90000000, ulong.MaxValue - 0xFFFF)]
    [InlineData(0x10000, 4096 + 8)]
    // All at one place: the first of them is meant.
    [InlineData(0x10000, 0)]
    public void Objects_are_found_wherever_they_stand(ulong first, ulong step)
    {
        var heap = new SmallHeap { Place = (first, step), Batch = 50 };
        for (var i = 0; i < 1000; i++)
            heap.Add($"{i}", 1, i == 0 ? "First" : "Link", i < 999 ? [$"{i + 1}"] : []);
        var graph = heap.Root("0").Read();

        Assert.Equal(step == 0 ? 1 : 1000, Retained(graph).Single(type => type.Name == "First").Retained);
        Assert.Equal(1000, graph.Objects);
    }

    [Fact]
    public void A_list_of_a_million_objects_needs_no_stack_of_a_million_calls()
    {
        var builder = new HeapGraphBuilder();
        builder.Name(1, "Link");
        for (var i = 1ul; i <= 1_000_000; i++)
        {
            builder.Add(i * 24, 24, builder.TypeOf(1), 2);
            builder.AddReference((i + 1) * 24);
            builder.AddReference((i / 2) * 24);
        }
        builder.AddRoot(HeapRootKind.Static, 24, "s_first");
        var graph = builder.Build(isPartial: false);

        var type = Assert.Single(graph.Retention());
        Assert.Equal((24_000_000, 24_000_000), (type.Bytes, type.Retained));
        Assert.Equal(["static s_first", "Link"], Assert.Single(type.Paths).Steps);
    }

    [Fact]
    public void A_walk_that_was_cut_says_no_retained_bytes_and_the_paths_that_it_saw()
    {
        var graph = new SmallHeap { HasEnd = false }.Add("Cache", 10, to: ["Entry"]).Add("Entry", 90).Static("s_cache", "Cache").Read();

        Assert.True(graph.IsPartial);
        Assert.All(graph.Retention(), type => Assert.Null(type.Retained));
        Assert.Equal(["static s_cache", "Cache", "Entry"], PathTo(graph, "Entry"));
        Assert.Contains("only a part of the heap was seen", Assert.Throws<ArgumentException>(() => RetainedTop.Of(graph)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Behind_a_lost_event_no_edge_is_given_to_an_object_that_does_not_have_it()
    {
        var heap = new SmallHeap { Batch = 2 };
        for (var i = 0; i < 10; i++)
            heap.Add($"{i}", 1, $"T{i}", i < 9 ? [$"{i + 1}"] : []);
        heap.Root("0");

        var withoutNodes = heap.Read(hasNodes: i => i != 2);
        Assert.True(withoutNodes.IsPartial);
        Assert.Equal(["stack", "T0", "T1", "T2", "T3"], PathTo(withoutNodes, "T3"));
        Assert.Equal([PathTree.NoRoot, "T7"], PathTo(withoutNodes, "T7"));
        var withoutEdges = heap.Read(hasEdges: i => i != 2);
        Assert.True(withoutEdges.IsPartial);
        Assert.Equal(["stack", "T0", "T1", "T2", "T3", "T4"], PathTo(withoutEdges, "T4"));
        Assert.Equal([PathTree.NoRoot, "T7"], PathTo(withoutEdges, "T7"));
    }

    [Theory]
    [InlineData(18, 4)]
    [InlineData(19, 4)]
    [InlineData(16, 4)]
    [InlineData(17, 4)]
    [InlineData(38, 0)]
    [InlineData(15, 0)]
    public void Counts_that_lie_make_the_graph_partial_and_cost_nothing(int id, int place)
    {
        var encoder = NettraceEncoder.Start();
        Dictionary<int, byte[]> payloads = new()
        {
            [18] = encoder.BulkNodes(0, (0x1000, 1, 8, 1)), [19] = encoder.BulkEdges(0, 0x1000), [16] = encoder.BulkRoots(0, (0x1000, 0, 0)),
            [17] = encoder.BulkDependents(0, (0x1000, 0x1000)), [38] = NettraceEncoder.BulkStatics((0x10, 0x1000, 0, "s")), [15] = NettraceEncoder.BulkTypes((1, "T")),
        };
        NettraceEncoder.I32(int.MaxValue).CopyTo(payloads[id], place);
        encoder.Event(1, NettraceEncoder.GCStart(3)).Event(18, encoder.BulkNodes(0, (0x1000, 1, 8, ulong.MaxValue)));
        foreach (var (number, payload) in payloads)
            encoder.Event(number, payload);
        encoder.Event(2, NettraceEncoder.GCEnd(3));

        Assert.True(HeapGraph.Read(new MemoryStream(encoder.ToArray())).IsPartial);
    }

    [Fact]
    public void Objects_that_claim_sizes_and_references_that_no_heap_has_do_not_overflow()
    {
        var encoder = NettraceEncoder.Start();
        encoder
            .Event(1, NettraceEncoder.GCStart(3))
            .Event(18, encoder.BulkNodes(0, (0x1000, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue), (ulong.MaxValue, 7, ulong.MaxValue, ulong.MaxValue)))
            .Event(19, encoder.BulkEdges(0, ulong.MaxValue, 0, 0x1000))
            .Event(16, encoder.BulkRoots(0, (0x1000, 200, -1), (0x1000, 9, 0), (5, 0, 0)))
            .Event(2, NettraceEncoder.GCEnd(3));
        var graph = HeapGraph.Read(new MemoryStream(encoder.ToArray()));

        Assert.True(graph.ToTable().Bytes > 0);
        Assert.All(graph.Retention(), type => Assert.True(type.Bytes > 0));
        Assert.True(graph.IsPartial);
    }

    [Fact]
    public void A_stream_cut_anywhere_gives_what_was_whole_and_says_that_it_is_a_part()
    {
        var whole = new SmallHeap().Add("A", 1, to: ["B", "C"]).Add("B", 2, to: ["C"]).Add("C", 3).Add("D", 4).Root("A").Encode().ToArray();
        var read = 0;
        for (var length = 0; length < whole.Length - 1; length++)
        {
            try
            {
                var graph = HeapGraph.Read(new MemoryStream(whole, 0, length));
                Assert.True(graph.IsPartial || graph.Objects == 4);
                graph.ToProfile();
                read++;
            }
            catch (ProfileFormatException)
            {
                // Not one object had come.
            }
        }
        Assert.True(read > 100, $"{read}");
    }

    [Fact]
    public void More_different_paths_than_anybody_reads_are_told_as_one_and_lose_no_object()
    {
        // Every object of a type of its own in a long chain: each path is another, and longer than the last.
        var builder = new HeapGraphBuilder();
        for (var i = 1ul; i <= 1000; i++)
        {
            builder.Name(i, $"T{i}");
            builder.Add(i * 24, 24, builder.TypeOf(i), 1);
            builder.AddReference((i + 1) * 24);
        }
        builder.AddRoot(HeapRootKind.Stack, 24);
        var graph = builder.Build(isPartial: false);

        Assert.Equal(101, PathTo(graph, "T100").Count);
        Assert.Equal(PathTree.Untold, PathTo(graph, "T900")[0]);
        Assert.Equal(24_000, graph.Paths.Places.Sum(place => place.Bytes));
        Assert.All(graph.Retention(int.MaxValue, 1), type => Assert.Equal((1, type.Name), (type.Paths[0].Objects, type.Paths[0].Steps[^1])));
    }

    [Fact]
    public void The_table_is_the_one_that_is_counted_without_the_graph()
    {
        var bytes = new SmallHeap().Add("1", 24, "A", "2").Add("2", 24, "A").Add("3", 100, "B").Root("1").Encode().ToArray();

        var graph = HeapGraph.Read(new MemoryStream(bytes)).ToTable();
        var counted = Assert.IsType<ProfileContent.Types>(ProfileContent.Read(new MemoryStream(bytes))).Table;
        Assert.Equal(counted.Rows, graph.Rows);
        Assert.Equal((counted.Objects, counted.Bytes, counted.IsPartial, counted.Measure), (graph.Objects, graph.Bytes, graph.IsPartial, graph.Measure));
    }

    [Fact]
    public void Of_a_real_program_the_static_variable_that_leaks_is_found_with_all_that_hangs_on_it()
    {
        // testdata/orders.nettrace.gz: tests/Targets/dotnet-leak on .NET 10, with 416 orders in OrderBook.s_orders, taken by the sidecar.
        using var file = File.OpenRead(Repository.TestData("orders.nettrace.gz"));
        var graph = HeapGraph.Read(file);

        Assert.False(graph.IsPartial);
        var order = Assert.Single(graph.Retention(paths: 9, which: name => name == "Shop.Orders.Order"));
        var path = Assert.Single(order.Paths);
        Assert.Equal(["static s_orders", "System.Collections.Generic.List`1[Shop.Orders.Order]", "Shop.Orders.Order[]", "Shop.Orders.Order"], path.Steps);
        Assert.Equal((416, 416, 416 * 48), (order.Objects, path.Objects, order.Bytes));
        // Each with its lines, their names and its comment; the customers are another variable's.
        var parts = graph.ToTable(int.MaxValue).Rows.Where(row => row.Name is "Shop.Orders.OrderLine" or "Shop.Orders.OrderLine[]").Sum(row => row.Bytes);
        Assert.InRange(order.Retained!.Value, order.Bytes + parts + 416 * 24, 250_000);
        Assert.Equal(["static s_customers", "Shop.Orders.Customer[]", "Shop.Orders.Customer"], PathTo(graph, "Shop.Orders.Customer"));
        // The list holds all of them, and its array; nothing of the runtime's is charged to it.
        var list = Assert.Single(graph.Retention(which: name => name == "System.Collections.Generic.List`1[Shop.Orders.Order]"));
        Assert.InRange(list.Retained!.Value - order.Retained.Value, 32 + 24 + 416 * 8, 32 + 24 + 1024 * 8);
        // Next to nothing is held by what was not seen.
        var unseen = graph.Paths.Places.Select((place, i) => (place, i)).Where(at => at.place.Parent >= 0 && graph.Paths.NameOf(at.place.Parent) == PathTree.NoRoot).Sum(at => at.place.Bytes);
        Assert.InRange(unseen, 0, graph.ToTable().Bytes / 20);
    }

    [Fact]
    public void The_profile_has_a_stack_for_every_path_with_the_root_outermost()
    {
        var profile = new SmallHeap().Add("Cache", 10, to: ["1", "2"]).Add("1", 40, "Entry").Add("2", 50, "Entry").Static("s_cache", "Cache").Read().ToProfile();

        var top = TopTable.Of(profile, new TopOptions { NodeFraction = 0 });
        Assert.Equal([("Entry", 90, 90), ("Cache", 10, 100), ("static s_cache", 0, 100)], top.Rows.Select(row => (row.Name, row.Flat, row.Cum)));
        var objects = TopTable.Of(profile, new TopOptions { NodeFraction = 0, SampleIndex = "inuse_objects" });
        Assert.Equal(2, objects.Rows.Single(row => row.Name == "Entry").Flat);
    }

    [Property(MaxTest = 500)]
    public void A_damaged_heap_is_read_or_refused_and_nothing_else(NonEmptyArray<(ushort At, byte Value)> changes, bool isReal)
    {
        var bytes = (byte[])(isReal ? s_orders.Value : s_everything.Value).Clone();
        foreach (var (at, value) in changes.Get)
            bytes[(isReal ? at * 13L : at) % bytes.Length] = value;
        HeapGraph graph;
        try
        {
            graph = HeapGraph.Read(new MemoryStream(bytes));
        }
        catch (ProfileFormatException e)
        {
            Assert.InRange(e.Offset, 0, bytes.Length);
            return;
        }
        var total = graph.ToTable(int.MaxValue);
        Assert.Equal(total.Bytes, total.Rows.Sum(row => row.Bytes));
        var types = graph.Retention(int.MaxValue, paths: 3);
        Assert.All(types, type => Assert.InRange(type.Bytes, 0, total.Bytes));
        Assert.All(types.Where(type => type.Retained is not null), type => Assert.InRange(type.Retained!.Value, type.Bytes, total.Bytes));
        Assert.Equal(total.Bytes, graph.BytesByRoot().Sum(root => root.Value));
        Assert.Equal(total.Bytes, TopTable.Of(graph.ToProfile(), new TopOptions()).Total);
        try
        {
            graph.WriteGcDump(Stream.Null);
        }
        catch (ArgumentException)
        {
            // An object of that size cannot be told there.
        }
    }

    [Fact]
    public void Sums_of_sizes_that_no_machine_has_do_not_turn_round()
    {
        var builder = new HeapGraphBuilder();
        builder.Name(1, "Monster");
        for (var i = 1ul; i <= 9_000_000; i++)
            builder.Add(i * 24, ulong.MaxValue, builder.TypeOf(1), 0);

        Assert.InRange(builder.Build(isPartial: false).ToTable().Bytes, 1L << 60, long.MaxValue);
    }

    private static List<(string Name, long? Retained)> Retained(HeapGraph graph) => [.. graph.Retention().Select(type => (type.Name, type.Retained))];

    private static IReadOnlyList<string> PathTo(HeapGraph graph, string type) => graph.Retention(which: name => name == type)[0].Paths[0].Steps;
}
