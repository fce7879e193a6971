using Premortem.Profiles.Heaps;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Heaps;

public sealed class GcDumpTests
{
    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Every_object_is_there_with_its_type_size_address_and_references(int pointerSize)
    {
        var heap = new SmallHeap { PointerSize = pointerSize }
            .Add("Cache", 100, "System.Collections.Generic.Dictionary`2[System.Int32,System.Byte[]]", "1", "2", "3")
            .Add("1", 40, "System.Byte[]").Add("2", 50_000, "System.Byte[]").Add("3", 40, "Ärger<𝄞>")
            .Static("s_cache", "Cache");
        var dump = Write(heap.Read());

        var graph = dump.Heap;
        Assert.Equal((50_180, pointerSize == 8), (graph.Bytes, graph.Is64Bit));
        Assert.Equal(NettraceEncoder.StartedAt.UtcDateTime, dump.TakenAt);
        Assert.Equal((4711, "premortem", null), (dump.ProcessId, dump.Tool, dump.Log));
        var variable = graph.Child(graph.Child(graph.Root, "[static vars]"), "[static var System.Collections.Generic.Dictionary<System.Int32,System.Byte[]>.s_cache]");
        var cache = graph.Nodes[Assert.Single(variable.Children)];
        Assert.Equal((100, heap.AddressOf("Cache"), "System.Collections.Generic.Dictionary<System.Int32,System.Byte[]>"), (cache.Bytes, cache.Address, cache.Type));
        Assert.Equal(
            [("System.Byte[]", 40, heap.AddressOf("1")), ("System.Byte[]", 50_000, heap.AddressOf("2")), ("Ärger<𝄞>", 40, heap.AddressOf("3"))],
            cache.Children.Select(child => (graph.Nodes[child].Type, graph.Nodes[child].Bytes, graph.Nodes[child].Address)));
    }

    [Fact]
    public void What_holds_objects_is_named_as_PerfView_does()
    {
        var dump = Write(new SmallHeap().Add("A").Add("B").Root("A").Root("A", 1).Root("A", 2).Root("A", 2, 1).Root("A", 2, 8).Root("B", 9).Static("t", "B", flags: 1).Read());

        var graph = dump.Heap;
        Assert.Equal("[.NET Roots]", graph.Root.Type);
        Assert.Equal(["[local vars]", "[other roots]", "[thread static vars]"], graph.Root.Children.Select(child => graph.Nodes[child].Type).Order(StringComparer.Ordinal));
        Assert.Equal(
            ["[COM/WinRT Objects]", "[finalizer Handles]", "[other Handles]", "[pinning Handles]", "[strong Handles]"],
            graph.Child(graph.Root, "[other roots]").Children.Select(child => graph.Nodes[child].Type).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void References_that_lie_far_apart_are_told_right_in_every_length()
    {
        // Distances and sizes on both sides of 7, 14, 21 and 28 bits.
        var heap = new HeapGraphBuilder();
        heap.Name(1, "T");
        var count = (1 << 20) + 70_000;
        for (var i = 0; i < count; i++)
        {
            int[] targets = [.. new[] { 63, 64, 65, 8191, 8192, 8193, 1048575, 1048576, 1048577 }.SelectMany(far => new[] { i - far, i + far }).Where(to => to >= 0 && to < count && i % 65_000 == 0)];
            heap.Add((ulong)(i + 1) * 24, i % 65_000 == 0 ? (ulong)int.MaxValue : 1ul << (i % 31), heap.TypeOf(1), (ulong)targets.Length);
            foreach (var target in targets)
                heap.AddReference((ulong)(target + 1) * 24);
        }
        heap.AddRoot(HeapRootKind.Stack, 24);
        var graph = heap.Build(isPartial: false);
        var nodes = Write(graph).Heap.Nodes;

        for (var i = 0; i < count; i++)
        {
            Assert.Equal(graph.BytesOf(i), nodes[i].Bytes);
            Assert.True(nodes[i].Children.AsSpan().SequenceEqual(graph.References.AsSpan(graph.Starts[i]..graph.Starts[i + 1])), $"node {i}");
        }
    }

    [Fact]
    public void A_part_of_a_heap_is_written_and_says_that_it_is_one()
    {
        var dump = Write(new SmallHeap { HasEnd = false }.Add("A").Root("A").Read());

        Assert.Contains("Only a part", dump.Log, StringComparison.Ordinal);
    }

    private static GcDumpReader Write(HeapGraph graph)
    {
        var stream = new MemoryStream();
        graph.WriteGcDump(stream);
        stream.Position = 0;
        return GcDumpReader.Read(stream);
    }
}
