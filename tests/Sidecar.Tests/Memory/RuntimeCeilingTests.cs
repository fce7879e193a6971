using Premortem.Profiles.Heaps;
using Premortem.Sidecar.Memory;
using Xunit;

namespace Premortem.Sidecar.Tests.Memory;

public sealed class RuntimeCeilingTests
{
    private const long MiB = 1 << 20;
    private const long Limit = 256 * MiB;
    private const long HeapLimit = 192 * MiB;
    private const long Effective = HeapLimit - RuntimeCeiling.RegionBytes;

    private readonly RuntimeCeiling _ceiling = new();
    private DateTimeOffset _now = DateTimeOffset.UnixEpoch;
    private long _number;

    [Fact]
    public void Without_a_heap_limit_it_is_the_containers_limit()
    {
        Assert.Equal(Limit, Of(Reading(100), Limit, null, Said(50, 10)));
        Assert.Null(Of(Reading(100), null, null, null));
    }

    [Fact]
    public void A_heap_limit_at_or_above_the_containers_limit_changes_nothing() =>
        Assert.Equal(Limit, Of(Reading(100), Limit, Limit, Said(50, 10)));

    [Fact]
    public void Without_a_word_of_the_runtime_all_of_it_may_be_heap() =>
        Assert.Equal(Effective, Of(Reading(100), Limit, HeapLimit, null));

    [Fact]
    public void What_would_not_fit_into_the_heap_is_not_all_heap() =>
        Assert.Equal(Limit, Of(Reading(193), Limit, HeapLimit, null));

    [Fact]
    public void What_is_beside_the_heap_comes_on_top_of_its_limit() =>
        Assert.Equal(Effective + (30 * MiB), Of(Reading(80), Limit, HeapLimit, Said(50, 10)));

    [Fact]
    public void What_is_beside_the_heap_is_known_without_any_limit()
    {
        Of(Reading(80), null, null, null);
        Assert.Null(_ceiling.OutsideHeapBytes);
        var said = Said(50, 10);
        Of(Reading(80), null, null, said);
        Assert.Equal(30 * MiB, _ceiling.OutsideHeapBytes);
        // Of what has grown since, ten may be heap.
        Of(Reading(180), null, null, said);
        Assert.Equal(120 * MiB, _ceiling.OutsideHeapBytes);
        _ceiling.Reset();
        Assert.Null(_ceiling.OutsideHeapBytes);
    }

    [Fact]
    public void Without_a_containers_limit_the_heaps_own_is_still_a_ceiling()
    {
        Assert.Equal(Effective, Of(Reading(80), null, HeapLimit, null));
        Assert.Equal(Effective + (30 * MiB), Of(Reading(80), null, HeapLimit, Said(50, 10)));
    }

    [Fact]
    public void A_native_leak_is_measured_against_the_containers_limit()
    {
        var said = Said(20, 8);
        Of(Reading(50), Limit, HeapLimit, said);
        // No collection is told of any more: what exceeds the budget is none of the heap.
        Assert.Equal(Effective + (30 * MiB), Of(Reading(58), Limit, HeapLimit, said));
        Assert.Equal(Effective + (40 * MiB), Of(Reading(68), Limit, HeapLimit, said));
        Assert.Equal(Limit, Of(Reading(230), Limit, HeapLimit, said));
    }

    [Fact]
    public void A_managed_leak_is_measured_against_the_heaps_limit_up_to_its_end()
    {
        var beside = 30;
        for (var heap = 10; heap <= 188; heap += 2)
        {
            var ceiling = Of(Reading(heap + beside), Limit, HeapLimit, Said(heap, 4));
            // The word may be of any moment since the reading before.
            Assert.InRange(ceiling!.Value, Effective + ((beside - 2) * MiB), Effective + (beside * MiB));
            Assert.Equal(heap >= 186, (heap + beside) * MiB >= ceiling);
        }
    }

    [Fact]
    public void Without_a_budget_all_growth_is_heap()
    {
        var said = Said(20, null);
        Of(Reading(50), Limit, HeapLimit, said);
        Assert.Equal(Effective + (30 * MiB), Of(Reading(200), Limit, HeapLimit, said));
    }

    [Fact]
    public void Memory_that_grew_before_the_runtimes_word_arrived_is_not_taken_for_native()
    {
        Of(Reading(60), Limit, HeapLimit, null);
        // The word is of when 60 were used; now it is 90.
        Assert.Equal(Effective + (10 * MiB), Of(Reading(90), Limit, HeapLimit, Said(50, 40)));
    }

    [Fact]
    public void A_fast_fill_is_held_against_memory_as_it_was_when_the_runtime_looked()
    {
        // 550 MiB a second, and the word is a tenth of a second old: 27 were heap and 30 not.
        DateTimeOffset? looked = null;
        for (var used = 46.5; used < 115; used += 5.5)
        {
            Of(Reading((long)used), Limit, HeapLimit, null);
            if (used is > 57 and < 60)
                looked = _now;
        }
        Assert.Equal(Effective + (30 * MiB), Of(Reading(115), Limit, HeapLimit, Said(27, 200, looked)));
        Assert.Equal(30 * MiB, _ceiling.OutsideHeapBytes);
    }

    [Theory]
    [InlineData(-100_000)]
    [InlineData(100_000)]
    public void A_word_of_a_moment_that_no_reading_is_of_is_held_against_the_lowest_that_it_can_mean(double seconds)
    {
        for (var used = 40; used <= 80; used += 10)
            Of(Reading(used), Limit, HeapLimit, null);
        // From before all of them, or from the time to come: then it is of just before.
        var beside = seconds < 0 ? 20 : 60;
        Assert.Equal(Effective + (beside * MiB), Of(Reading(90), Limit, HeapLimit, Said(20, 200, _now.AddSeconds(seconds))));
    }

    [Fact]
    public void A_budget_is_counted_from_what_the_heap_has_and_not_from_memory_that_it_has_not_touched()
    {
        // 60 committed of which 20 are in memory, and 10 more to come: up to 70 may be heap.
        var said = Said(60, 10);
        Of(Reading(20), Limit, HeapLimit, said);
        Of(Reading(70), Limit, HeapLimit, said);
        Assert.Equal(0, _ceiling.OutsideHeapBytes);
        Of(Reading(75), Limit, HeapLimit, said);
        Assert.Equal(5 * MiB, _ceiling.OutsideHeapBytes);
    }

    [Fact]
    public void A_heap_that_has_more_than_is_in_memory_leaves_nothing_beside_it() =>
        Assert.Equal(Effective, Of(Reading(40), Limit, HeapLimit, Said(50, 10)));

    [Fact]
    public void Another_life_begins_without_knowledge()
    {
        Of(Reading(80), Limit, HeapLimit, Said(50, 10));
        _ceiling.Reset();
        Assert.Equal(Effective, Of(Reading(80), Limit, HeapLimit, null));
    }

    [Fact]
    public void It_is_never_above_the_containers_limit_nor_below_half_of_the_heaps()
    {
        var random = new Random(1);
        for (var round = 0; round < 10_000; round++)
        {
            var heap = random.Next(3) == 0 ? null : Said(random.Next(400), random.Next(2) == 0 ? null : random.Next(400));
            var ceiling = Of(Reading(random.Next(400)), Limit, HeapLimit, heap);
            Assert.InRange(ceiling!.Value, HeapLimit / 2, Limit);
        }
    }

    /// <summary>Readings come ten milliseconds apart.</summary>
    private long? Of(MemoryReading reading, long? limit, long? heapLimit, HeapState? heap) =>
        _ceiling.Of(reading, _now += TimeSpan.FromMilliseconds(10), limit, heapLimit, heap);

    private static MemoryReading Reading(long mebibytes) => new(mebibytes * MiB, 0, 0, Limit, 0);

    private HeapState Said(long committed, long? budget, DateTimeOffset? at = null) =>
        new(++_number, new HeapUse { At = at ?? _now, CommittedBytes = committed * MiB, BudgetBytes = budget * MiB }, null, 0);
}
