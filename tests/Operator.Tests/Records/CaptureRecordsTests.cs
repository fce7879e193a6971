using System.Text.Json;
using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Premortem.Testing;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class CaptureRecordsTests
{
    [Theory]
    [InlineData("completed")]
    [InlineData("stored")]
    [InlineData("capturing")]
    [InlineData("partial")]
    [InlineData("failed")]
    [InlineData("cluster-policy-without-limit")]
    [InlineData("request-further-container")]
    public void A_report_becomes_a_record(string name)
    {
        var report = name switch
        {
            "stored" => A.Report(sequence: 3) with { Location = "s3://profiles/prod/shop/checkout/checkout-7d9f-x2x/app/20260504T095950Z-near-limit-0196a1b2c3d4/" },
            "capturing" => A.Report(sequence: 1).With(record => record with { Phase = CapturePhase.Capturing, Outcome = null, OutcomeReason = null, CompletedAt = null, Artifacts = [], Top = [] }),
            "partial" => A.Report().With(record => record with
            {
                Phase = CapturePhase.Partial,
                Outcome = CaptureOutcome.OOMKilled,
                OutcomeReason = "the cgroup's oom_kill counter went from 0 to 1",
                Artifacts = [record.Artifacts[0], new Artifact { Type = "Cpu", Key = "cpu.pb.gz", Error = "the target exited before the profile was whole", Reason = "TargetExited" }],
            }),
            "failed" => A.Report().With(record => record with
            {
                Phase = CapturePhase.Failed,
                Artifacts = [new Artifact { Type = "Heap", Key = "heap.pb.gz", Error = "nobody listens on 127.0.0.1:6060", Reason = "EndpointNotFound" }],
                Top = [],
            }),
            "cluster-policy-without-limit" => A.Report().With(record => record with
            {
                Policy = new PolicyReference("everywhere", null),
                Memory = new MemoryAtTrigger(5_000_000, 6_000_000, null, null, "proc"),
                Target = record.Target with { Container = "proxy" },
            }),
            "request-further-container" => A.Report().With(record => record with
            {
                Trigger = record.Trigger with { Name = Names.RequestedTrigger, Kind = "request" },
            }) with
            { Request = new RequestReference("now", "uid-now") },
            _ => A.Report(),
        };
        var pod = A.Pod();
        var capture = CaptureRecords.New(report, pod, name == "failed" ? null : A.Deployment);
        capture = capture with { Status = CaptureRecords.Status(report, capture, pod, A.Now) };
        Golden.Matches(Text(capture), $"{name}.json");
    }

    [Fact]
    public void Whose_it_is_comes_from_the_pod_whatever_the_record_says()
    {
        var capture = CaptureRecords.New(A.Report(), A.Pod(), A.Deployment);
        Assert.Equal(("shop", "checkout-7d9f-x2x"), (capture.Metadata.Namespace, capture.Spec.PodName));
        Assert.Equal(A.PodUid, CaptureRecords.Status(A.Report(), capture, A.Pod(), A.Now).PodUid);
        Assert.Equal("node-1", CaptureRecords.Status(A.Report(), capture, A.Pod(), A.Now).NodeName);
    }

    [Fact]
    public void A_location_once_known_stays_and_a_condition_keeps_its_time()
    {
        var pod = A.Pod();
        var first = A.Report() with { Location = "s3://b/x/" };
        var capture = CaptureRecords.New(first, pod, null);
        capture = capture with { Status = CaptureRecords.Status(first, capture, pod, A.Now) };
        var later = CaptureRecords.Status(A.Report(sequence: 3), capture, pod, A.Now.AddHours(1));
        Assert.Equal("s3://b/x/", later.Location);
        Assert.All(later.Conditions!, condition => Assert.Equal(A.Now, condition.LastTransitionTime));
    }

    [Fact]
    public void What_the_kubelet_said_of_the_end_outlasts_a_late_report()
    {
        var pod = A.Pod();
        var capture = CaptureRecords.New(A.Report(), pod, null);
        capture = capture with
        {
            Metadata = capture.Metadata with { Annotations = new Dictionary<string, string> { [RecordNames.OomKillAnnotation] = "containerd://1" } },
            Status = new ProfileCaptureStatus { Outcome = CaptureOutcome.OOMKilled, OutcomeReason = "the kubelet: …" },
        };
        var status = CaptureRecords.Status(A.Report(sequence: 9), capture, pod, A.Now);
        Assert.Equal((CaptureOutcome.OOMKilled, "the kubelet: …"), (status.Outcome, status.OutcomeReason));
    }

    [Theory]
    [InlineData(252_706_816, 268_435_456L, null, "241Mi/256Mi (94%)")]
    [InlineData(252_706_816, 268_435_456L, 201_326_592L, "241Mi/192Mi (126%)")]
    [InlineData(14_495_514_624, 17_179_869_184L, null, "14Gi/16Gi (84%)")]
    [InlineData(900, null, null, "900")]
    [InlineData(5_000_000, 0L, null, "4883Ki")]
    public void Memory_is_summed_up_for_people(long used, long? limit, long? ceiling, string summary) =>
        Assert.Equal(summary, new MemoryAtTrigger(used, used, limit, ceiling, "proc").Summary);

    [Fact]
    public void A_record_of_the_operator_is_never_taken_for_a_request()
    {
        Assert.False(CaptureRecords.IsRequest(CaptureRecords.New(A.Report(), A.Pod(), null)));
        Assert.True(CaptureRecords.IsRequest(A.Request()));
    }

    private static string Text(ProfileCapture capture)
    {
        var node = JsonSerializer.SerializeToNode(capture, ResourceJson.Options)!.AsObject();
        return node.ToJsonString(new JsonSerializerOptions(ResourceJson.Options) { WriteIndented = true }) + "\n";
    }
}
