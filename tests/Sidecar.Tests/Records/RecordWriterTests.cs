using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Records;
using Premortem.Sidecar.Targets;
using Premortem.Sidecar.Tests.Uploads;
using Premortem.Sidecar.Uploads;
using Xunit;

namespace Premortem.Sidecar.Tests.Records;

public sealed class RecordWriterTests : IDisposable
{
    private static readonly TargetEnd s_killed = new(SpoolFixture.Start.AddSeconds(4), CaptureOutcome.OOMKilled, "the counter rose", null);

    private readonly SpoolFixture _fixture = new();
    private readonly RecordWriter _records = new(
        new ProfilePolicySpec { Triggers = [], Storage = new DirectoryStorage("/store") },
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
