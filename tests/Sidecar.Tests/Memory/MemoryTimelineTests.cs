using Premortem.Sidecar.Memory;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Memory;

public sealed class MemoryTimelineTests
{
    private static readonly DateTimeOffset s_start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void It_holds_an_hour_and_the_last_samples_and_no_more()
    {
        var timeline = new MemoryTimeline();
        for (var i = 0; i < 500_000; i++)
            timeline.Add(Sample(i * 0.02));
        var kept = timeline.Snapshot();
        Assert.InRange(kept.Count, 7000, 4096 + 3600);
        Assert.Equal(kept.OrderBy(sample => sample.Elapsed), kept);
        Assert.Equal(TimeSpan.FromSeconds(9999.98), kept[^1].Elapsed);
        Assert.InRange(kept[0].Elapsed.TotalSeconds, 9999.98 - 3600, 9999.98 - 3590);
        Assert.Equal(TimeSpan.FromSeconds(0.02), kept[^1].Elapsed - kept[^4096].Elapsed - TimeSpan.FromSeconds(4094 * 0.02));
        Assert.All(kept.Take(3000).Zip(kept.Skip(1)), pair => Assert.Equal(1, (pair.Second.Elapsed - pair.First.Elapsed).TotalSeconds, 3));
    }

    [Fact]
    public void Nothing_is_lost_of_a_short_life()
    {
        var timeline = new MemoryTimeline();
        for (var i = 0; i < 100; i++)
            timeline.Add(Sample(i * 0.3));
        Assert.Equal(100, timeline.Snapshot().Count);
        Assert.Empty(new MemoryTimeline().Snapshot());
    }

    [Theory]
    [InlineData(1.0, 4.0, 300L)]
    [InlineData(1.5, 2.5, 200L)]
    [InlineData(3.0, 5.0, 0L)]
    [InlineData(-1.0, 2.0, null)]
    [InlineData(5.0, 9.0, null)]
    public void The_rise_is_the_peak_above_the_beginning(double from, double to, long? rise)
    {
        var timeline = new MemoryTimeline();
        foreach (var (second, bytes) in (ReadOnlySpan<(int, long)>)[(0, 900), (1, 1000), (2, 1200), (3, 1300), (4, 1100), (5, 1100)])
            timeline.Add(new MemorySample(s_start.AddSeconds(second), TimeSpan.FromSeconds(second), new MemoryReading(bytes, 0, 0, null, null), null));
        Assert.Equal(rise, timeline.Rise(s_start.AddSeconds(from), s_start.AddSeconds(to)));
        Assert.Equal(TimeSpan.FromSeconds(5), timeline.Last?.Elapsed);
        Assert.Null(new MemoryTimeline().Last);
    }

    [Fact]
    public void The_csv_stays_as_it_is()
    {
        MemorySample[] samples =
        [
            Sample(0),
            Sample(0.005) with { Reading = new MemoryReading(2000, 300, 200, null, null), CeilingBytes = null },
            Sample(1.0049),
        ];
        MemoryEvent[] events =
        [
            new(s_start.AddSeconds(-1), "trigger:early"),
            new(s_start.AddMilliseconds(4), "trigger:oom-ahead"),
            new(s_start.AddMilliseconds(5), "trigger:near-limit"),
            new(s_start.AddSeconds(2), "captured:Heap"),
            new(s_start.AddSeconds(3), "OOMKilled"),
        ];
        Golden.Matches(Csv(samples, events), "memory.csv");
    }

    [Fact]
    public void Without_samples_there_is_the_header_alone() => Assert.Single(Csv([], [new(s_start, "x")]).TrimEnd('\n').Split('\n'));

    [Fact]
    public void Every_column_is_documented()
    {
        var page = File.ReadAllText(Repository.Path("docs", "reference", "memory-csv.md"));
        Assert.All(Csv([], []).TrimEnd('\n').Split(','), column => Assert.Contains($"| `{column}` |", page, StringComparison.Ordinal));
    }

    private static MemorySample Sample(double seconds) =>
        new(s_start.AddSeconds(seconds), TimeSpan.FromSeconds(seconds), new MemoryReading(1000, 100, 50, 4096, 0), 4096);

    private static string Csv(IReadOnlyList<MemorySample> samples, IReadOnlyList<MemoryEvent> events)
    {
        var csv = new StringWriter();
        MemoryTimeline.WriteCsv(csv, samples, events);
        return csv.ToString();
    }
}
