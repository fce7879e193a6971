using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class CaptureEventsTests
{
    private static readonly CaptureReport s_begun = A.Report(sequence: 1).With(record => record with { Phase = CapturePhase.Capturing, Outcome = null, CompletedAt = null, Artifacts = [], Top = [] });
    private static readonly CaptureReport s_ended = A.Report(sequence: 2);
    private static readonly CaptureReport s_stored = A.Report(sequence: 3) with { Location = "s3://profiles/x/" };

    [Fact]
    public void A_capture_is_told_when_it_begins_when_it_ends_and_when_it_is_stored_and_not_in_between()
    {
        var told = Story(s_begun, s_begun with { Sequence = 2 }, s_ended with { Sequence = 3 }, s_stored with { Sequence = 4 }, s_stored with { Sequence = 5 });
        Assert.Equal(["CaptureStarted", "CaptureCompleted", "CaptureStored"], told.Select(e => e.Reason));
        Assert.Equal(
            "checkout: near-limit captured Heap, Goroutine, Cpu of app at 94 %: 95.6 % main.Leak; not stored yet",
            told[1].Message);
        Assert.Equal([false, true, false], told.Select(e => e.IsForWorkload));
        Assert.All(told, e => Assert.Equal(EventKind.Normal, e.Kind));
    }

    [Fact]
    public void One_report_that_says_all_is_told_once() =>
        Assert.Equal(
            "checkout: near-limit captured Heap, Goroutine, Cpu of app at 94 %: 95.6 % main.Leak; s3://profiles/x/",
            Assert.Single(Story(s_stored)).Message);

    [Fact]
    public void What_is_missing_is_named_with_its_reason()
    {
        var told = Assert.Single(Story(s_stored.With(record => record with
        {
            Phase = CapturePhase.Partial,
            Outcome = CaptureOutcome.OOMKilled,
            Artifacts = [record.Artifacts[0], new Artifact { Type = "Cpu", Key = "cpu.pb.gz", Error = "it died", Reason = "TargetExited" }],
        })));
        Assert.Equal("CapturePartial", told.Reason);
        Assert.Equal("checkout: near-limit captured Heap of app at 94 %: 95.6 % main.Leak; not Cpu (TargetExited); OOMKilled; s3://profiles/x/", told.Message);
    }

    [Fact]
    public void Nothing_captured_is_a_warning()
    {
        var told = Assert.Single(Story(A.Report().With(record => record with
        {
            Phase = CapturePhase.Failed,
            Memory = record.Memory with { LimitBytes = null, CeilingBytes = null },
            Artifacts = [new Artifact { Type = "Heap", Key = "heap.pb.gz", Error = "nobody listens", Reason = "EndpointNotFound" }],
            Top = [],
        })));
        Assert.Equal((EventKind.Warning, "CaptureFailed"), (told.Kind, told.Reason));
        Assert.Equal("checkout: near-limit captured nothing of app; not Heap (EndpointNotFound); not stored yet", told.Message);
    }

    [Fact]
    public void A_baseline_alone_is_named() =>
        Assert.Contains("captured Baseline of app", Assert.Single(Story(A.Report().With(record => record with { Phase = CapturePhase.Partial, Artifacts = [record.Artifacts[3]] }))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_request_that_waited_tells_its_capture_from_the_beginning()
    {
        var waiting = new ProfileCaptureStatus { Phase = CapturePhase.Pending, PodUid = A.PodUid };
        var now = CaptureRecords.Status(s_begun, A.Request(), A.Pod(), A.Now);
        Assert.Equal("CaptureStarted", Assert.Single(CaptureEvents.Of(waiting, now, s_begun)).Reason);
    }

    private static List<CaptureEvent> Story(params CaptureReport[] reports)
    {
        var told = new List<CaptureEvent>();
        var capture = CaptureRecords.New(reports[0], A.Pod(), A.Deployment);
        foreach (var report in reports)
        {
            var status = CaptureRecords.Status(report, capture, A.Pod(), A.Now);
            told.AddRange(CaptureEvents.Of(capture.Status, status, report));
            capture = capture with { Status = status };
        }
        return told;
    }
}
