using System.IO.Compression;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Heaps;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Records;
using Premortem.Sidecar.Targets;
using Premortem.Sidecar.Tests.Uploads;
using Premortem.Sidecar.Uploads;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Records;

public sealed class RecordWriterTests : IDisposable
{
    private static readonly TargetEnd s_killed = new(SpoolFixture.Start.AddSeconds(4), CaptureOutcome.OOMKilled, "the counter rose", null);

    private readonly SpoolFixture _fixture = new();
    private readonly RecordWriter _records = new(
        () => null,
        new FakeTimeProvider(SpoolFixture.Start.AddSeconds(5)),
        NullLogger<RecordWriter>.Instance);

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData("Heap+ Cpu+", CapturePhase.Completed)]
    [InlineData("Heap+ Cpu-", CapturePhase.Partial)]
    [InlineData("Heap- Process+", CapturePhase.Partial)]
    [InlineData("Heap- Cpu-", CapturePhase.Failed)]
    [InlineData("Process+", CapturePhase.Completed)]
    [InlineData("Process-", CapturePhase.Failed)]
    [InlineData("Heap+ Cpu?", CapturePhase.Partial)]
    [InlineData("Heap?", CapturePhase.Failed)]
    [InlineData("", CapturePhase.Failed)]
    public void The_phase_tells_how_much_is_there(string captures, CapturePhase phase)
    {
        var record = SpoolFixture.Record("a");
        var steps = captures.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => (Type: Enum.Parse<CaptureType>(text[..^1]), Mark: text[^1])).ToList();
        var capture = _fixture.Open().Create(record with { Plan = [.. steps.Select(step => new PlannedCapture(step.Type, step.Mark == '?' ? PlanDecisions.Skipped : PlanDecisions.Chosen, null))] });
        foreach (var (type, mark) in steps)
            if (mark == '+')
                SpoolFixture.Capture(capture, ArtifactKeys.Of(new PlannedCapture(type, PlanDecisions.Chosen, null), null), "x");
            else if (mark == '-')
                capture.Add(new Artifact { Type = type.ToString(), Key = ArtifactKeys.Of(new PlannedCapture(type, PlanDecisions.Chosen, null), null), Error = "e", Reason = Reasons.TimedOut });
        _records.Complete(capture, Timeline(), null, []);
        Assert.Equal(phase, capture.Record.Phase);
        Assert.True(capture.IsFinal);
        Assert.True(Assert.Single(capture.Record.Artifacts, artifact => artifact.Type == "MemoryTimeline").IsComplete);
    }

    [Theory]
    [InlineData(300, "(outside of the managed heap)", 75, "Shop.Order", 2.5)]
    [InlineData(90, "Shop.Order", 100, null, 0)]
    [InlineData(null, "Shop.Order", 100, null, 0)]
    public void What_is_held_outside_of_the_heap_is_named_where_it_is_most(int? outsideMebibytes, string first, double percent, string? second, double percentOfSecond)
    {
        var record = SpoolFixture.Record("a", 0, CaptureType.Heap);
        var capture = _fixture.Open().Create(record with { Memory = record.Memory with { WorkingSetBytes = 400 << 20, OutsideHeapBytes = (long?)outsideMebibytes << 20 } });
        _records.WriteTypes(capture, new TypeTable { Measure = TypeTable.LiveObjects, Objects = 1, Bytes = 10 << 20, Rows = [new TypeRow("Shop.Order", 1, 10 << 20)] });
        _records.Complete(capture, Timeline(), null, []);
        var top = capture.Record.Top;
        Assert.Equal((first, percent), (top[0].Name, top[0].FlatPercent));
        Assert.Equal((second, percentOfSecond), (top.ElementAtOrDefault(1)?.Name, top.ElementAtOrDefault(1)?.FlatPercent ?? 0));
    }

    [Theory]
    [InlineData(RuntimeKind.DotNet, CaptureType.Goroutine, CapturePhase.Completed)]
    [InlineData(RuntimeKind.Go, CaptureType.Dump, CapturePhase.Completed)]
    [InlineData(RuntimeKind.DotNet, CaptureType.Dump, CapturePhase.Partial)]
    [InlineData(RuntimeKind.Go, CaptureType.Goroutine, CapturePhase.Partial)]
    [InlineData(null, CaptureType.Dump, CapturePhase.Partial)]
    public void What_the_runtime_cannot_have_is_not_missed(RuntimeKind? runtime, CaptureType skipped, CapturePhase phase)
    {
        var record = SpoolFixture.Record("a", 0, CaptureType.Heap);
        var capture = _fixture.Open().Create(record with
        {
            Target = record.Target with { Runtime = runtime is { } kind ? new RuntimeIdentity(kind, null) : null },
            Plan = [.. record.Plan, new PlannedCapture(skipped, PlanDecisions.Skipped, "d") { Reason = Reasons.NotSupportedByRuntime }],
        });
        SpoolFixture.Capture(capture, ArtifactKeys.Of(record.Plan[0], runtime), "x");
        _records.Complete(capture, Timeline(), null, []);
        Assert.Equal(phase, capture.Record.Phase);
    }

    [Fact]
    public void A_target_that_lives_on_has_survived()
    {
        var record = Complete(null).Record;
        Assert.Equal((CaptureOutcome.Survived, "the target was alive when the capture was completed"), (record.Outcome, record.OutcomeReason));
        Assert.Null(record.DiedAt);
        Assert.Equal(SpoolFixture.Start.AddSeconds(5), record.CompletedAt);
    }

    [Fact]
    public void A_target_that_was_killed_is_told_with_its_time_and_in_the_timeline()
    {
        var capture = Complete(s_killed);
        Assert.Equal((CaptureOutcome.OOMKilled, "the counter rose", s_killed.At), (capture.Record.Outcome, capture.Record.OutcomeReason, capture.Record.DiedAt));
        var csv = File.ReadAllLines(capture.PathOf("memory.csv"));
        Assert.EndsWith(",trigger:near-limit", csv[1], StringComparison.Ordinal);
        Assert.EndsWith(",trigger:oom-ahead", csv[3], StringComparison.Ordinal);
        Assert.EndsWith(",OOMKilled", csv[^1], StringComparison.Ordinal);
        Assert.Equal("oom-ahead", Assert.Single(capture.Record.AlsoFired).Name);
    }

    [Fact]
    public void Nobody_knows_the_outcome_of_what_the_sidecar_was_killed_over()
    {
        SpoolFixture.Capture(_fixture.Open().Create(SpoolFixture.Record("a", 0, CaptureType.Heap)), "heap.pb.gz", "x");
        var capture = Assert.Single(_fixture.Open().Captures);
        _records.Complete(capture, null, null, capture.Record.AlsoFired);
        Assert.Equal((null, "the sidecar was killed while it captured", CapturePhase.Completed), (capture.Record.Outcome, capture.Record.OutcomeReason, capture.Record.Phase));
    }

    [Fact]
    public void What_is_known_of_the_end_is_kept_when_a_damaged_capture_is_judged_again()
    {
        var before = Complete(s_killed);
        Assert.Equal(CapturePhase.Completed, before.Record.Phase);
        File.WriteAllText(before.PathOf("heap.pb.gz"), "damaged");
        var capture = Assert.Single(_fixture.Open().Captures);
        Assert.False(capture.IsFinal);
        _records.Complete(capture, null, null, capture.Record.AlsoFired);
        Assert.Equal((CapturePhase.Failed, CaptureOutcome.OOMKilled, s_killed.At), (capture.Record.Phase, capture.Record.Outcome, capture.Record.DiedAt));
        Assert.Single(capture.Record.AlsoFired);
    }

    [Fact]
    public void Without_room_for_the_timeline_the_record_says_so()
    {
        var spool = _fixture.Open(capacity: 10);
        var capture = spool.Create(SpoolFixture.Record("a", 0, CaptureType.Heap));
        SpoolFixture.Capture(capture, "heap.pb.gz", "x");
        _records.Complete(capture, Timeline(), null, []);
        Assert.Equal(Reasons.SpoolFull, Assert.Single(capture.Record.Artifacts, artifact => artifact.Type == "MemoryTimeline").Reason);
        Assert.Equal(CapturePhase.Completed, capture.Record.Phase);
        Assert.Equal(1, spool.UsedBytes);
    }

    [Fact]
    public void Where_the_kill_came_first_the_newest_baseline_names_what_held_the_memory()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a"));
        AddProfile(capture, "baseline-heap.pb.gz", "Baseline", 900, takenBefore: 20);
        AddProfile(capture, "baseline-2-heap.pb.gz", "Baseline", 100, takenBefore: 80);
        _records.Complete(capture, Timeline(), s_killed, []);
        var record = capture.Record;
        Assert.Equal((CapturePhase.Partial, "baseline"), (record.Phase, record.TopFrom));
        Assert.Equal(("leak", 900), (record.Top[0].Name, record.Top[0].FlatBytes));
        var page = File.ReadAllText(capture.PathOf("report.html"));
        Assert.Contains("a baseline that the flight recorder took 20.0 s before the trigger", page, StringComparison.Ordinal);
        Assert.Contains("Growth since the baseline, in 1 m 0 s", page, StringComparison.Ordinal);
        Assert.Contains("+800B", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_heap_is_compared_with_the_newest_baseline_that_is_old_enough()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a", 0, CaptureType.Heap));
        AddProfile(capture, "heap.pb.gz", "Heap", 1000, takenBefore: null);
        AddProfile(capture, "baseline-heap.pb.gz", "Baseline", 999, takenBefore: 2);
        AddProfile(capture, "baseline-2-heap.pb.gz", "Baseline", 300, takenBefore: 62);
        AddProfile(capture, "baseline-3-heap.pb.gz", "Baseline", 100, takenBefore: 122);
        _records.Complete(capture, Timeline(), null, []);
        Assert.Equal((CapturePhase.Completed, null, 1000), (capture.Record.Phase, capture.Record.TopFrom, capture.Record.Top[0].FlatBytes));
        var page = File.ReadAllText(capture.PathOf("report.html"));
        Assert.Contains("+700B", page, StringComparison.Ordinal);
        Assert.DoesNotContain("No heap could be captured", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_baseline_that_is_no_profile_spoils_nothing()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a", 0, CaptureType.Heap));
        AddProfile(capture, "heap.pb.gz", "Heap", 1000, takenBefore: null);
        capture.Add(SpoolFixture.Capture(capture, "baseline-heap.pb.gz", "none") with { TakenAt = SpoolFixture.Start.AddSeconds(-60) });
        _records.Complete(capture, Timeline(), null, []);
        Assert.Equal((CapturePhase.Completed, 1000), (capture.Record.Phase, capture.Record.Top[0].FlatBytes));
        Assert.DoesNotContain("Growth since", File.ReadAllText(capture.PathOf("report.html")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_a_dotnet_target_the_newest_baseline_names_the_types_when_the_kill_came_first(bool isHeap)
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a"));
        if (isHeap)
            AddHeap(capture, "baseline-heap.nettrace.gz", orders: 90, takenBefore: 20);
        else
            Add(capture, "baseline-allocations.nettrace", Allocations("Shop.Order"), 20);
        AddHeap(capture, "baseline-2-heap.nettrace.gz", orders: 10, takenBefore: 80);
        _records.Complete(capture, Timeline(), s_killed, []);
        var record = capture.Record;
        Assert.Equal((CapturePhase.Partial, "baseline", "Shop.Order"), (record.Phase, record.TopFrom, record.Top[0].Name));
        var page = File.ReadAllText(capture.PathOf("report.html"));
        Assert.Contains("a baseline that the flight recorder took 20.0 s before the trigger", page, StringComparison.Ordinal);
        Assert.Contains(isHeap ? "% of live heap is held by Shop.Order, 20.0 s before" : "% of allocations of 3s is of Shop.Order, 20.0 s before", page, StringComparison.Ordinal);
        // What is alive is not held against what was allocated.
        Assert.Equal(isHeap, page.Contains("Growth since the baseline, in 1 m 0 s", StringComparison.Ordinal));
        Assert.Equal(isHeap, page.Contains("+80</td><td class=\"name\">Shop.Order<", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_types_of_a_heap_are_compared_with_those_of_its_baseline(bool isPartial)
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a", 0, CaptureType.Heap));
        _records.WriteTypes(capture, new TypeTable { Measure = TypeTable.LiveObjects, Objects = 500, Bytes = 50_000, IsPartial = isPartial, Rows = [new TypeRow("Shop.Order", 500, 50_000)] });
        AddHeap(capture, "baseline-heap.nettrace.gz", orders: 10, takenBefore: 60);
        _records.Complete(capture, Timeline(), null, []);
        Assert.Null(capture.Record.TopFrom);
        var page = File.ReadAllText(capture.PathOf("report.html"));
        Assert.Contains("Growth since the baseline", page, StringComparison.Ordinal);
        Assert.Contains("+490</td><td class=\"name\">Shop.Order<", page, StringComparison.Ordinal);
        Assert.Equal(isPartial, page.Contains("each has grown by so much at least", StringComparison.Ordinal));
        Assert.Equal(!isPartial, page.Contains("1 type holds less than before", StringComparison.Ordinal));
    }

    [Fact]
    public void Where_nothing_was_allocated_the_baseline_before_tells()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a"));
        Add(capture, "baseline-allocations.nettrace", NettraceEncoder.Start().ToArray(), 20);
        AddHeap(capture, "baseline-2-heap.nettrace.gz", orders: 10, takenBefore: 80);
        _records.Complete(capture, Timeline(), s_killed, []);
        Assert.Equal(("baseline", "Shop.Order"), (capture.Record.TopFrom, capture.Record.Top[0].Name));
        Assert.Contains("took 1 m 20 s before the trigger", File.ReadAllText(capture.PathOf("report.html")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_stream_that_is_none_spoils_nothing()
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a"));
        Add(capture, "baseline-heap.nettrace.gz", "none"u8.ToArray(), 60);
        _records.Complete(capture, Timeline(), s_killed, []);
        Assert.Equal((CapturePhase.Partial, null), (capture.Record.Phase, capture.Record.TopFrom));
        Assert.Empty(capture.Record.Top);
    }

    private static byte[] Allocations(string type)
    {
        var encoder = NettraceEncoder.Start();
        return encoder.Event(303, encoder.AllocationSampled(7, type, 150_000)).Event(303, encoder.AllocationSampled(7, type, 150_000), at: 3_001_000).ToArray();
    }

    private static void AddHeap(SpooledCapture capture, string key, int orders, double takenBefore)
    {
        var encoder = NettraceEncoder.Start();
        encoder
            .Event(1, NettraceEncoder.GCStart(3))
            .Event(15, NettraceEncoder.BulkTypes((1, "System.String"), (2, "Shop.Order")))
            .Event(18, encoder.BulkNodes(0, [(1, 40), .. Enumerable.Repeat((2UL, 100UL), orders)]))
            .Event(2, NettraceEncoder.GCEnd(3));
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            gzip.Write(encoder.ToArray());
        Add(capture, key, packed.ToArray(), takenBefore);
    }

    private static void Add(SpooledCapture capture, string key, byte[] content, double takenBefore)
    {
        using var file = capture.Begin(key);
        file.Write(content);
        capture.Add(new Artifact { Type = ArtifactKeys.Baseline, Key = key, Bytes = file.Length, Sha256 = file.Complete(), TakenAt = SpoolFixture.Start.AddSeconds(-takenBefore) });
    }

    private static void AddProfile(SpooledCapture capture, string key, string type, long leaked, double? takenBefore)
    {
        var profile = PprofEncoder.Heap();
        var content = profile.Sample([profile.At("leak")], 1, leaked).Sample([profile.At("rest")], 1, 50).ToGzip();
        using var file = capture.Begin(key);
        file.Write(content);
        capture.Add(new Artifact
        {
            Type = type,
            Key = key,
            Bytes = file.Length,
            Sha256 = file.Complete(),
            CompletedAt = SpoolFixture.Start,
            TakenAt = SpoolFixture.Start.AddSeconds(-takenBefore ?? 0) is var at && takenBefore is not null ? at : null,
        });
    }

    private SpooledCapture Complete(TargetEnd? end)
    {
        var capture = _fixture.Open().Create(SpoolFixture.Record("a", 0, CaptureType.Heap));
        SpoolFixture.Capture(capture, "heap.pb.gz", "x");
        _records.Complete(capture, Timeline(), end, [new FiredTrigger("oom-ahead", "timeToLimit", "r", SpoolFixture.Start.AddSeconds(1.5))]);
        return capture;
    }

    private static MemoryTimeline Timeline()
    {
        var timeline = new MemoryTimeline();
        for (var i = 0; i < 4; i++)
            timeline.Add(new MemorySample(SpoolFixture.Start.AddSeconds(i), TimeSpan.FromSeconds(i), new MemoryReading(1000, 0, 0, 4096, 0), 4096));
        return timeline;
    }
}
