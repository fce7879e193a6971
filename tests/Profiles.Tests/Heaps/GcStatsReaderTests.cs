using Premortem.Profiles.Heaps;
using Premortem.Profiles.Nettrace;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Heaps;

public sealed class GcStatsReaderTests
{
    private const int Start = 1, End = 2, Restarted = 3, HeapStats = 4, Suspending = 9;

    [Fact]
    public void A_collection_is_told_with_its_heap_and_its_pause_when_the_program_runs_again()
    {
        var encoder = NettraceEncoder.Start()
            .Event(Suspending, [], at: 10_000)
            .Event(Start, NettraceEncoder.GCStart(7, depth: 1, reason: 0), at: 11_000)
            .Event(End, NettraceEncoder.GCEnd(7, depth: 1), at: 14_000)
            .Event(HeapStats, NettraceEncoder.GCHeapStats(10, 20, 30, 40, 50), at: 14_000);
        Assert.Empty(Read(encoder));

        var stats = Assert.Single(Read(encoder.Event(Restarted, [], at: 15_000)));
        Assert.Equal((7L, 1, GcReason.AllocSmall, false), (stats.Number!.Value, stats.Generation!.Value, stats.Reason!.Value, stats.IsBackground));
        Assert.Equal([10, 20, 30, 40, 50], stats.GenerationBytes);
        Assert.Equal(150, stats.HeapBytes);
        Assert.Equal((3, 5), (stats.Duration!.Value.TotalMilliseconds, stats.Pause!.Value.TotalMilliseconds));
        Assert.Equal(NettraceEncoder.StartedAt + TimeSpan.FromMilliseconds(13), stats.At);
    }

    [Fact]
    public void A_background_collection_is_told_apart_from_the_young_one_within_it()
    {
        var encoder = NettraceEncoder.Start()
            .Event(Start, NettraceEncoder.GCStart(8, type: 1), at: 10_000)
            .Event(Suspending, [], at: 11_000)
            .Event(Start, NettraceEncoder.GCStart(9, depth: 0, type: 2), at: 12_000)
            .Event(End, NettraceEncoder.GCEnd(9, depth: 0), at: 13_000)
            .Event(HeapStats, NettraceEncoder.GCHeapStats(1, 1, 1, 1, 1), at: 13_000)
            .Event(Restarted, [], at: 13_500)
            .Event(End, NettraceEncoder.GCEnd(8), at: 20_000)
            .Event(HeapStats, NettraceEncoder.GCHeapStats(2, 2, 2, 2, 2), at: 20_000);
        var told = Read(encoder);

        Assert.Equal([(9L, 0, false, 5L), (8L, 2, true, 10L)], told.Select(stats => (stats.Number!.Value, stats.Generation!.Value, stats.IsBackground, stats.HeapBytes)));
        Assert.Equal([2.5, null], told.Select(stats => stats.Pause?.TotalMilliseconds));
        Assert.Equal(10, told[1].Duration!.Value.TotalMilliseconds);
    }

    [Fact]
    public void A_collection_whose_start_was_not_seen_is_told_by_its_heap()
    {
        var encoder = NettraceEncoder.Start().Event(End, NettraceEncoder.GCEnd(3)).Event(HeapStats, NettraceEncoder.GCHeapStats(1, 2, 3, 4));
        var stats = Assert.Single(Read(encoder));

        Assert.Null(stats.Number);
        Assert.Null(stats.Generation);
        Assert.Equal([1, 2, 3, 4, 0], stats.GenerationBytes);
    }

    [Fact]
    public void A_collection_is_told_even_where_the_restart_was_dropped()
    {
        var encoder = NettraceEncoder.Start()
            .Event(Suspending, [])
            .Event(Start, NettraceEncoder.GCStart(1))
            .Event(End, NettraceEncoder.GCEnd(1))
            .Event(HeapStats, NettraceEncoder.GCHeapStats(1, 2, 3, 4, 5))
            .Event(Suspending, [], skipped: 1);

        Assert.Null(Assert.Single(Read(encoder)).Pause);
    }

    [Fact]
    public void Events_cut_short_tell_nothing()
    {
        var encoder = NettraceEncoder.Start().Event(Start, [1, 0]).Event(End, []).Event(HeapStats, new byte[20]);

        Assert.Empty(Read(encoder));
    }

    private static List<GcStats> Read(NettraceEncoder encoder)
    {
        var told = new List<GcStats>();
        var collections = new GcStatsReader(told.Add);
        new NettraceReader(collections.OnEvent).Feed(encoder.ToArray());
        return told;
    }
}
