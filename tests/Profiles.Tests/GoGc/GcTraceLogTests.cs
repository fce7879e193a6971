using System.Globalization;
using System.Text;
using Premortem.Profiles.GoGc;
using Xunit;

namespace Premortem.Profiles.Tests.GoGc;

public sealed class GcTraceLogTests
{
    private const string Go126 = "gc 3 @0.648s 0%: 0.11+0.17+0.003 ms clock, 0.23+0.02/0.079/0.12+0.007 ms cpu, 12->13->11 MB, 14 MB goal, 1 MB stacks, 2 MB globals, 2 P (forced)";
    private const string Go116 = "gc 5 @1.262s 3%: 0+40+1.0 ms clock, 0+3.0/39/111+4.0 ms cpu, 21->21->18 MB, 27 MB goal, 4 P";
    private const string Go15 = "gc 3 @7.635s 0%: 0.11+1.5+0.21+3.3+0.73 ms clock, 0.33+1.5+0+0.12/2.8/0+2.2 ms cpu, 6->7->4 MB, 7 MB goal, 4 P";

    [Fact]
    public void Every_field_of_a_line_is_read()
    {
        var cycle = GcTraceLog.Parse(Go126)!;

        Assert.Equal((3, TimeSpan.FromSeconds(0.648), 0, 2, true), (cycle.Number, cycle.At, cycle.GcPercent, cycle.Processors, cycle.Forced));
        Assert.Equal(new GcTimes(Ms(0.11), Ms(0.17), TimeSpan.Zero, Ms(0.003)), cycle.Wall);
        Assert.Equal(new GcCpu(Ms(0.23), Ms(0.02), Ms(0.079), Ms(0.12), Ms(0.007)), cycle.Cpu);
        Assert.Equal((12L << 20, 13L << 20, 11L << 20, 14L << 20), (cycle.HeapBefore, cycle.HeapAfter, cycle.LiveHeap, cycle.Goal));
        Assert.Equal((1L << 20, 2L << 20), (cycle.Stacks, cycle.Globals));
        Assert.Equal(Ms(0.113), cycle.Pause);
    }

    [Fact]
    public void Older_formats_have_fewer_fields_or_more_phases()
    {
        var before118 = GcTraceLog.Parse(Go116)!;
        var five = GcTraceLog.Parse(Go15)!;

        Assert.Equal((null, null, Ms(39), false), (before118.Stacks, before118.Globals, before118.Cpu.Background, before118.Forced));
        Assert.Equal(new GcTimes(Ms(0.11), Ms(4.8), Ms(0.21), Ms(0.73)), five.Wall);
        Assert.Equal(new GcCpu(Ms(0.33), Ms(0.12), Ms(4.3), TimeSpan.Zero, Ms(2.2)), five.Cpu);
        Assert.Equal(Ms(1.05), five.Pause);
    }

    [Theory]
    [InlineData("2026-03-01T12:05:00.123456789Z stderr F {0}")]
    [InlineData("checkout-7d9f app {0}\r")]
    [InlineData("[app] 12:05:00 {0} trailing")]
    public void What_stands_around_it_does_not_matter(string line) =>
        Assert.Equal(GcTraceLog.Parse(Go126), GcTraceLog.Parse(line.Replace("{0}", Go126, StringComparison.Ordinal)));

    [Fact]
    public void A_line_inside_of_json_is_read()
    {
        var line = $$"""{"log":"{{Go126.Replace(">", "\\u003e", StringComparison.Ordinal)}}\n","stream":"stderr"}""";

        Assert.Equal(GcTraceLog.Parse(Go126), GcTraceLog.Parse(line));
    }

    [Fact]
    public void Other_lines_are_passed_over_and_broken_ones_counted()
    {
        var log = Read($"hello\n{Go126}\nscav 0 KiB work (bg), 0 KiB work (eager), 3960 KiB now, 98% util\nthe gc is slow\ngc 4 @0.7s 0%: 0.1+0.2 oops\n{Go126[..60]}{new string('x', 1 << 20)}\n{Go116}");

        Assert.Equal([3, 5], log.Cycles.Select(cycle => cycle.Number));
        Assert.Equal((2, false), (log.Damaged, log.IsCut));
    }

    [Theory]
    [InlineData("gc 99999999999999999999 @0.1s 0%: 0.1+0.2+0.3 ms clock, 0.1+0/0/0+0.1 ms cpu, 1->1->1 MB, 1 MB goal, 2 P")]
    [InlineData("gc 1 @0.1s 0%: 0.1+0.2+0.3 ms clock, 0.1+0/0/0+0.1 ms cpu, 1->1->9999999999999 MB, 1 MB goal, 2 P")]
    [InlineData("gc 1 @0.1s 0%: 0.1+0.2+0.3+0.4 ms clock, 0.1+0/0/0+0.1 ms cpu, 1->1->1 MB, 1 MB goal, 2 P")]
    [InlineData("gc 1 @0.1s 0%: 0.1+0..2+0.3 ms clock, 0.1+0/0/0+0.1 ms cpu, 1->1->1 MB, 1 MB goal, 2 P")]
    [InlineData("gc 1 @0.1s 0%: 0.1+0.2+0.3+0.4+0.5 ms clock, 0.1+0/0/0+0.1 ms cpu, 1->1->1 MB, 1 MB goal, 2 P")]
    public void What_no_runtime_writes_is_no_collection(string line) => Assert.Null(GcTraceLog.Parse(line));

    [Fact]
    public void A_floor_that_climbs_is_told_from_a_saw_that_does_not()
    {
        var leak = GcSummary.Of(Cycles(i => 100 + (10 * i)));
        var churn = GcSummary.Of(Cycles(i => 100 + (i % 3 * 40)));

        Assert.True(leak.IsFloorRising);
        Assert.Equal(600, leak.LiveBytesPerMinute!.Value / (1 << 20), 3);
        Assert.False(churn.IsFloorRising);
        Assert.Null(GcSummary.Of([GcTraceLog.Parse(Go126)!]).IsFloorRising);
    }

    [Fact]
    public void A_restart_begins_anew()
    {
        var cycles = Cycles(i => 500).Concat(Cycles(i => 10)).ToList();

        var summary = GcSummary.Of(cycles);

        Assert.Equal((1, 30, 10L << 20), (summary.Restarts, summary.Collections, summary.Floors[0]));
    }

    [Fact]
    public void Pauses_are_ranked_and_cpu_is_a_share_of_all_processors()
    {
        var summary = GcSummary.Of(Cycles(i => 10));

        // Thirty collections, a second apart, that stop for 1 to 30 ms and take 10 ms of CPU each, of two processors.
        Assert.Equal((Ms(15), Ms(30), Ms(30)), (summary.PauseMedian, summary.Pause99, summary.PauseMost));
        Assert.Equal(0.005, summary.CpuShare!.Value, 6);
        Assert.Equal(0.2, summary.AssistShare, 6);
    }

    private static List<GcCycle> Cycles(Func<int, int> liveMiB) =>
    [
        .. Enumerable.Range(0, 30).Select(i => GcTraceLog.Parse(string.Create(
            CultureInfo.InvariantCulture,
            $"gc {i + 1} @{i + 1}.000s 1%: {i + 1}+1+0 ms clock, 1+2/3/3+1 ms cpu, 9->9->{liveMiB(i)} MB, 9 MB goal, 2 P"))!),
    ];

    private static GcTraceLog Read(string text) => GcTraceLog.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)));

    private static TimeSpan Ms(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);
}
