using Premortem.Contracts;
using Premortem.Profiles.Findings;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Pprof;
using Premortem.Profiles.Report;
using Premortem.Profiles.Tests.Report;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Findings;

public sealed class FindingRulesTests
{
    private const long Mib = 1 << 20;

    private static readonly ReportData Bare = new()
    {
        Record = Sample.Record() with { Memory = new MemoryAtTrigger(200 * Mib, 203 * Mib, 256 * Mib, 256 * Mib, "cgroup v2") },
    };

    [Fact]
    public void Where_nothing_is_known_nothing_is_said() => Assert.Empty(FindingRules.Of(Bare));

    [Fact]
    public void A_function_that_holds_the_heap_is_named_with_the_file_and_the_figures()
    {
        var found = Assert.Single(FindingRules.Of(Bare with { Tables = [Heap(("main.grow", 150), ("main.rest", 50))] }));

        Assert.Equal(new Finding(FindingKind.Holder, "75 % of live heap is held by main.grow", "heap.pb.gz: inuse_space, flat 150MB of 200MB"), found);
    }

    [Fact]
    public void Where_no_function_stands_out_none_is_named() =>
        Assert.Empty(FindingRules.Of(Bare with { Tables = [Heap([.. Enumerable.Range(0, 20).Select(i => ($"main.f{i}", 10L))])] }));

    [Fact]
    public void A_type_that_holds_the_heap_is_named_and_of_allocations_none_is()
    {
        var types = new TypeTable { Measure = TypeTable.LiveObjects, Objects = 30, Bytes = 4 * Mib, Rows = [new TypeRow("Shop.Order", 20, 3 * Mib), new TypeRow("System.String", 10, Mib)] };

        Assert.Equal("75 % of live heap is held by Shop.Order", Assert.Single(FindingRules.Of(Bare with { Types = types })).Sentence);
        Assert.Empty(FindingRules.Of(Bare with { Types = types with { Measure = "allocations of 5s" } }));
    }

    [Fact]
    public void A_static_variable_that_half_of_the_heap_hangs_on_is_named_with_what_stands_behind_it()
    {
        var found = Assert.Single(FindingRules.Of(Bare with { Retention = Retention("static s_orders", 3) }));

        Assert.Equal(new Finding(FindingKind.Root, "75 % of live heap hangs on static s_orders, by Shop.Orders", "heap.nettrace.gz: shortest paths from the roots, 3 MiB of 4 MiB"), found);
    }

    [Fact]
    public void A_handle_or_a_lesser_root_or_one_of_a_heap_that_was_seen_in_part_is_not_blamed()
    {
        Assert.Empty(FindingRules.Of(Bare with { Retention = Retention("handle", 3) }));
        Assert.Empty(FindingRules.Of(Bare with { Retention = Retention("static s_orders", 1) }));
        Assert.Empty(FindingRules.Of(Bare with { Retention = Retention("static s_orders", 3) with { IsPartial = true } }));
    }

    [Fact]
    public void Live_heap_that_rose_from_each_look_to_the_next_is_a_leak()
    {
        var found = Assert.Single(FindingRules.Of(Bare with { Heaps = [At(0, 100), At(60, 150), At(120, 200)] }));

        Assert.Equal((FindingKind.Leak, "Live heap after GC rose 50 %/min: leak (100 MiB to 200 MiB in 2 m 0 s)"), (found.Kind, found.Sentence));
        Assert.Contains("heap-120.pb.gz", found.Evidence, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(100, 90, 200)]
    [InlineData(100, 101, 105)]
    [InlineData(0, 100, 200)]
    public void Live_heap_that_fell_once_or_hardly_rose_or_began_at_nothing_is_no_leak(long first, long second, long third) =>
        Assert.Empty(FindingRules.Of(Bare with { Heaps = [At(0, first), At(60, second), At(120, third)] }));

    [Fact]
    public void Two_looks_are_too_few_for_a_leak() =>
        Assert.Empty(FindingRules.Of(Bare with { Heaps = [At(0, 100), At(60, 200)] }));

    [Fact]
    public void A_managed_heap_whose_collections_leave_more_and_more_is_a_leak_and_a_sawtooth_is_none()
    {
        var rising = Memory(i => (100 + (i * 5)) * Mib);
        var sawtooth = Memory(i => (100 + (i % 4 * 30)) * Mib);

        Assert.Equal(FindingKind.Leak, Assert.Single(FindingRules.Of(Bare with { Memory = rising })).Kind);
        Assert.Empty(FindingRules.Of(Bare with { Memory = sawtooth }));
        Assert.Empty(FindingRules.Of(Bare with { Memory = [.. rising.Take(5)] }));

        static List<MemoryPoint> Memory(Func<int, long> heap) =>
            [.. Enumerable.Range(0, 24).Select(i => new MemoryPoint(Sample.Start.AddSeconds(i * 5), 200 * Mib, 200 * Mib, null, null) { HeapAfterGcBytes = heap(i) })];
    }

    [Fact]
    public void Much_that_is_allocated_over_a_flat_heap_is_churn()
    {
        var found = Assert.Single(FindingRules.Of(Bare with { Heaps = [At(0, 100, 1000), At(60, 102, 7000)] }));

        Assert.Equal((FindingKind.Churn, "Allocations are high but live heap is flat: churn, not leak (100 MiB/s allocated, live heap 100 MiB to 102 MiB)"), (found.Kind, found.Sentence));
    }

    [Theory]
    [InlineData(100, 1000, 150, 7000)]
    [InlineData(100, 1000, 102, 1050)]
    [InlineData(100, 7000, 102, 1000)]
    public void A_heap_that_rises_or_little_that_is_allocated_or_a_restart_is_no_churn(long live, long allocated, long liveLater, long allocatedLater) =>
        Assert.DoesNotContain(FindingRules.Of(Bare with { Heaps = [At(0, live, allocated), At(60, liveLater, allocatedLater)] }), found => found.Kind == FindingKind.Churn);

    [Fact]
    public void What_has_most_of_the_growth_is_named_and_a_little_growth_is_not()
    {
        ReportGrowth Growth(long mib) => new(Heap(("main.grow", mib), ("main.rest", 1)).Table, Sample.Start, Sample.Start.AddSeconds(60), "baseline-heap.pb.gz", "heap.pb.gz");

        Assert.Equal("main.grow grew by 9 MiB in 1 m 0 s: 90 % of all that has grown since the baseline", Assert.Single(FindingRules.Of(Bare with { Growth = Growth(9) })).Sentence);
        Assert.Empty(FindingRules.Of(Bare with { Growth = Growth(0) with { Table = Heap(("main.a", 3), ("main.b", 3), ("main.c", 3)).Table } }));
    }

    [Fact]
    public void Goroutines_that_pile_up_are_told_with_where_they_are()
    {
        var many = new GoroutineGroups { Total = 4000, Groups = [], OtherGroups = 0, Places = [new("main.wait", 3920)], File = "goroutine.pb.gz" };

        Assert.Equal("There are 4000 goroutines, 98 % are in main.wait", Assert.Single(FindingRules.Of(Bare with { Goroutines = many })).Sentence);
        Assert.Equal("Goroutines grew 40× since the baseline, to 4000, 98 % are in main.wait", Assert.Single(FindingRules.Of(Bare with { Goroutines = many with { Before = 100, BeforeFile = "baseline-goroutine.pb.gz" } })).Sentence);
        Assert.Empty(FindingRules.Of(Bare with { Goroutines = many with { Total = 40, Places = [new("main.wait", 40)], Before = 1 } }));
        Assert.Empty(FindingRules.Of(Bare with { Goroutines = many with { Places = [new("main.wait", 400)] } }));
    }

    [Fact]
    public void Goroutines_are_grouped_by_stack_and_named_by_what_is_not_the_runtimes()
    {
        var encoder = new PprofEncoder();
        encoder.SampleType("goroutine", "count");
        encoder.Sample([encoder.At("runtime.gopark"), encoder.At("sync.(*Mutex).Lock"), encoder.At("main.wait")], 7);
        encoder.Sample([encoder.At("runtime.gopark"), encoder.At("main.wait"), encoder.At("main.other")], 2);
        encoder.Sample([encoder.At("runtime.mstart")], 1);

        var groups = GoroutineGroups.Of(PprofProfile.Read(new MemoryStream(encoder.ToArray())), "goroutine.pb.gz")!;

        Assert.Equal((10, 0), (groups.Total, groups.OtherGroups));
        Assert.Equal([(7, "main.wait"), (2, "main.wait"), (1, "runtime.mstart")], groups.Groups.Select(group => (group.Count, group.Where)));
        Assert.Equal(new KeyValuePair<string, long>("main.wait", 9), groups.Places[0]);
    }

    [Fact]
    public void Page_cache_and_native_memory_are_told_apart_from_the_heap()
    {
        Finding? With(MemoryAtTrigger memory) => FindingRules.Of(Bare with { Record = Bare.Record with { Memory = memory } }) is [var found] ? found : null;

        Assert.Equal("150 MiB of 250 MiB is page cache and what else the kernel gives back, not heap", With(new MemoryAtTrigger(100 * Mib, 250 * Mib, null, null, "cgroup v2"))?.Sentence);
        Assert.Equal("300 MiB of 400 MiB is native memory outside of the GC heap: the types of the heap do not tell by what", With(new MemoryAtTrigger(400 * Mib, 400 * Mib, null, null, "cgroup v2") { OutsideHeapBytes = 300 * Mib })?.Sentence);
        Assert.Null(With(new MemoryAtTrigger(230 * Mib, 250 * Mib, null, null, "cgroup v2") { OutsideHeapBytes = 40 * Mib }));
    }

    [Fact]
    public void The_last_look_before_the_trigger_knows_of_cache_within_the_working_set()
    {
        var look = new MemoryPoint(Bare.Record.Trigger.At.AddSeconds(-1), 200 * Mib, 200 * Mib, null, null) { UnreclaimableBytes = 80 * Mib };

        Assert.Equal(FindingKind.PageCache, Assert.Single(FindingRules.Of(Bare with { Memory = [look] })).Kind);
        Assert.Empty(FindingRules.Of(Bare with { Memory = [look with { UnreclaimableBytes = 190 * Mib }] }));
        Assert.Empty(FindingRules.Of(Bare with { Memory = [look with { At = Bare.Record.Trigger.At.AddSeconds(1) }] }));
    }

    [Fact]
    public void A_live_heap_that_is_the_lesser_part_of_memory_is_told_and_one_that_awaits_collection_is_not()
    {
        Assert.Contains(FindingRules.Of(Bare with { Tables = [Heap(("main.small", 20))] }), found => found.Sentence.StartsWith("Live heap is only 20 MiB of 200 MiB", StringComparison.Ordinal));
        Assert.DoesNotContain(FindingRules.Of(Bare with { Tables = [Heap(("main.large", 90))] }), found => found.Kind == FindingKind.BesideLiveHeap);
    }

    private static HeapPoint At(int seconds, long live, long allocated = 0) => new(Sample.Start.AddSeconds(seconds), live * Mib, allocated * Mib, $"heap-{seconds}.pb.gz");

    private static ReportTable Heap(params (string Function, long Mib)[] functions)
    {
        var encoder = PprofEncoder.Heap();
        foreach (var (function, mib) in functions)
            encoder.Sample([encoder.At(function)], 1, mib * Mib);
        return new ReportTable("Heap", TopTable.Of(PprofProfile.Read(new MemoryStream(encoder.ToArray())))) { File = "heap.pb.gz" };
    }

    private static ReportRetention Retention(string root, long mebibytes) => new(
        [new RetainedType("Shop.Order", 2, 2 * Mib, 3 * Mib, [new RetentionPath([root, "Shop.Orders", "Shop.Order"], 2, 2 * Mib)])],
        [KeyValuePair.Create(root, mebibytes * Mib), KeyValuePair.Create("stack", (4 - mebibytes) * Mib)],
        IsPartial: false,
        "heap.nettrace.gz");
}
