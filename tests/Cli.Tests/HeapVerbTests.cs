using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

/// <summary>The verbs on the snapshot of a .NET heap: a cache in a static variable, with two entries of 1000 and 3000 bytes.</summary>
public sealed class HeapVerbTests
{
    [Fact]
    public void Gcroot_prints_the_path_from_the_root_and_what_is_retained()
    {
        using var folder = new TemporaryFolder();

        Assert.Equal((0, """
            Shop.Cache: 1 object, 48B, 3.95kB retained
              1 object, 48B
                -> static s_cache
                -> Shop.Cache

            Shop.Entry: 2 objects, 3.91kB, 3.91kB retained
              2 objects, 3.91kB
                -> static s_cache
                -> Shop.Cache
                -> Shop.Entry

            """, ""), Premortem.Run("gcroot", "^Shop", Write(folder)));
    }

    [Fact]
    public void Gcroot_says_which_expression_finds_nothing_or_is_none()
    {
        using var folder = new TemporaryFolder();
        var heap = Write(folder);

        Assert.Equal((1, "", "premortem: no type's name has Nothing in it\n"), Premortem.Run("gcroot", "Nothing", heap));
        var (exitCode, _, errors) = Premortem.Run("gcroot", "(", heap);
        Assert.Equal(2, exitCode);
        Assert.Contains("'(' is no regular expression", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Gcroot_of_what_is_no_heap_says_what_has_one()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("heap.pb"), new PprofEncoder().ToArray());

        var (exitCode, _, errors) = Premortem.Run("gcroot", "A", folder.File("heap.pb"));
        Assert.Equal(1, exitCode);
        Assert.Contains("heap.pb", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Top_orders_types_by_what_they_retain()
    {
        using var folder = new TemporaryFolder();
        var (exitCode, output, errors) = Premortem.Run("top", "-retained", Write(folder));

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.EndsWith("""
              retained    ret%       flat  flat%    objects  type
                3.95kB    100%        48B  1.19%          1  Shop.Cache
                3.91kB  98.81%     3.91kB 98.81%          2  Shop.Entry

            """, output, StringComparison.Ordinal);
    }

    [Fact]
    public void Top_says_that_a_part_of_a_heap_tells_nothing_retained()
    {
        using var folder = new TemporaryFolder();
        var (exitCode, _, errors) = Premortem.Run("top", "-retained", Write(folder, hasEnd: false));

        Assert.Equal(2, exitCode);
        Assert.Contains("only a part of the heap was seen", errors, StringComparison.Ordinal);
        var (code, _, why) = Premortem.Run("diff", "-retained", Write(folder, hasEnd: false), Write(folder));
        Assert.Equal(2, code);
        Assert.Contains("part.nettrace: only a part", why, StringComparison.Ordinal);
    }

    [Fact]
    public void What_types_retain_is_compared_with_what_they_did_before()
    {
        using var folder = new TemporaryFolder();
        var (before, after) = (Write(folder), Write(folder, isLarger: true));
        const string Grown = """
            Type: live objects
            Showing 2 types out of 2, of 3.95kB total
              retained    ret%       flat  flat%    objects  type
                4.88kB 123.52%     4.88kB 123.52%          1  Shop.Entry
                4.88kB 123.52%          0     0%          0  Shop.Cache

            """;

        Assert.Equal((0, Grown, ""), Premortem.Run("diff", "-retained", before, after));
        Assert.Equal((0, Grown, ""), Premortem.Run("top", "-retained", "-diff_base", before, after));
        // Of all that is different.
        Assert.Contains("    4.88kB    100%     4.88kB   100%          1  Shop.Entry", Premortem.Run("top", "-retained", "-base", before, after).Output, StringComparison.Ordinal);
        Assert.Contains("   -4.88kB ", Premortem.Run("diff", "-retained", after, before).Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Shop", Premortem.Run("diff", "-retained", before, before).Output, StringComparison.Ordinal);
        // A capture alone: its baseline.
        File.Move(before, folder.File("baseline-heap.nettrace.gz"));
        File.Move(after, folder.File("heap.nettrace.gz"));
        Assert.Equal((0, Grown, ""), Premortem.Run("diff", "-retained", folder.Path));
    }

    [Fact]
    public void The_verbs_on_stacks_take_paths_from_the_roots_for_stacks()
    {
        using var folder = new TemporaryFolder();
        var heap = Write(folder);

        var (exitCode, output, _) = Premortem.Run("peek", "Entry", heap);
        Assert.Equal(0, exitCode);
        Assert.Contains("100% |   Shop.Cache\n", output, StringComparison.Ordinal);
        Assert.Equal(0, Premortem.Run("flame", heap, "-o", folder.File("heap.svg")).ExitCode);
        Assert.Contains("static s_cache", File.ReadAllText(folder.File("heap.svg")), StringComparison.Ordinal);
        Assert.Equal(0, Premortem.Run("convert", heap, "-o", folder.File("heap.folded")).ExitCode);
        Assert.Equal("static s_cache;Shop.Cache 48\nstatic s_cache;Shop.Cache;Shop.Entry 4000\n", File.ReadAllText(folder.File("heap.folded")));
    }

    [Fact]
    public void Convert_writes_a_gcdump_whole()
    {
        using var folder = new TemporaryFolder();
        var heap = Write(folder);

        Assert.Equal((0, "", ""), Premortem.Run("convert", heap, "-o", folder.File("heap.gcdump")));
        Assert.Equal("\x14\0\0\0!FastSerialization.1"u8.ToArray(), File.ReadAllBytes(folder.File("heap.gcdump"))[..24]);
        Assert.Equal(2, Premortem.Run("convert", "-focus=Entry", heap, "-o", folder.File("other.gcdump")).ExitCode);
        Assert.False(File.Exists(folder.File("other.gcdump")));
    }

    [Fact]
    public void An_execution_trace_of_Go_is_summed_up_and_has_no_stacks_here()
    {
        using var folder = new TemporaryFolder();
        var trace = folder.File("trace.out");
        // The clock at 1 MHz; processor 0 at 100, a goroutine 7 at 110, a collection from 120 to 150, the end of the goroutine at 200.
        File.WriteAllBytes(trace, [.. "go 1.19 trace\0\0\0"u8, 0x41, 0, 100, 0xCD, 4, 10, 7, 0, 0, 0x87, 10, 0, 0, 0x08, 30, 0x0F, 50, 0x02, 0xC0, 0x84, 0x3D]);

        Assert.Equal((0, """
            Type: execution trace (go 1.19)
            Duration: 90us, 4 events
            GC: 1 collections, 30us (33.33% of the time); world stopped 0 (0%)
            Goroutines: 1 seen, 0 at the end
            'go tool trace' opens it.

            """, ""), Premortem.Run("top", trace));
        var (exitCode, _, errors) = Premortem.Run("flame", trace, "-o", "-");
        Assert.Equal(1, exitCode);
        Assert.Contains("'go tool trace' opens", errors, StringComparison.Ordinal);
        Assert.Equal(0, Premortem.Run("top", "--type", "trace", Path.GetDirectoryName(trace)!).ExitCode);
    }

    private static string Write(TemporaryFolder folder, bool hasEnd = true, bool isLarger = false)
    {
        var encoder = NettraceEncoder.Start();
        encoder
            .Event(1, NettraceEncoder.GCStart(3))
            .Event(38, NettraceEncoder.BulkStatics((0x10, 0x1000, 0, "s_cache")))
            .Event(15, NettraceEncoder.BulkTypes((1, "Shop.Cache"), (2, "Shop.Entry")))
            .Event(18, encoder.BulkNodes(0, [(0x1000, 1, 48, isLarger ? 3ul : 2), (0x1030, 2, 1000, 0), (0x2000, 2, 3000, 0), .. isLarger ? [(0x3000ul, 2ul, 5000ul, 0ul)] : Array.Empty<(ulong, ulong, ulong, ulong)>()]))
            .Event(19, encoder.BulkEdges(0, [0x1030, 0x2000, .. isLarger ? [0x3000ul] : Array.Empty<ulong>()]));
        var path = folder.File(!hasEnd ? "part.nettrace" : isLarger ? "larger.nettrace" : "heap.nettrace");
        File.WriteAllBytes(path, (hasEnd ? encoder.Event(2, NettraceEncoder.GCEnd(3)) : encoder).ToArray());
        return path;
    }
}
