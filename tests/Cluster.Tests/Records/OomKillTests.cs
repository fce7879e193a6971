using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Records;

public sealed class OomKillTests
{
    private const string Yes = "premortem_oom_kills_total{artifact=\"yes\"}";
    private const string No = "premortem_oom_kills_total{artifact=\"no\"}";

    // A policy is as old as its second, and so is a kill.
    private readonly DateTimeOffset _killed = CaptureRecords.Seconds(TimeProvider.System.GetUtcNow()).AddSeconds(30);

    [Fact]
    public async Task A_kill_with_a_capture_is_tied_to_it_and_counted_once_whoever_leads()
    {
        await using var ground = await RecordsGround.StartAsync();
        await ground.PolicyAsync("checkout");
        var first = await ground.ReplicaAsync(leads: true);
        var pod = await ground.PodAsync("a");
        Assert.Equal(200, await first.PutAsync(ground.Report("abcd", 1, _killed.AddSeconds(-8)), await ground.TokenAsync(pod)));
        await ground.KillAsync(pod, "app", "containerd://1", _killed.AddMinutes(-1), _killed);
        var capture = await Eventually.Holds(
            async () => Assert.Single(await ground.ListAsync()),
            capture => capture.Status!.Outcome == CaptureOutcome.OOMKilled,
            "the record is tied to the kill",
            TimeSpan.FromSeconds(20));
        Assert.Equal("containerd://1", OomKills.MarkOf(capture));
        await UntilMarkedAsync(ground);
        Assert.Equal((1, 0), (await first.SampleAsync(Yes), await first.SampleAsync(No)));

        await first.StopLeadingAsync();
        var second = await ground.ReplicaAsync(leads: true);
        // A late report, and a new look at the pod, change neither the end nor the count.
        Assert.Equal(200, await second.PutAsync(ground.Report("abcd", 2, _killed.AddSeconds(-8)), await ground.TokenAsync(pod)));
        await ground.Server.KubectlAsync("label", "pod", "a", "seen=again", "-n", ground.Namespace);
        await Eventually.IsTrue(() => second.Known("a", ground.Namespace)?.Metadata.Labels?.ContainsKey("seen") == true, "the label");
        capture = Assert.Single(await ground.ListAsync());
        Assert.Equal((CaptureOutcome.OOMKilled, 2), (capture.Status!.Outcome, capture.Status.Sequence));
        Assert.Equal((0, 0), (await second.SampleAsync(Yes), await second.SampleAsync(No)));
    }

    [Fact]
    public async Task A_kill_without_a_capture_has_a_record_that_says_why_and_comes_back_no_more_once_it_is_deleted()
    {
        await using var ground = await RecordsGround.StartAsync();
        await ground.PolicyAsync("checkout");
        var pod = await ground.PodAsync("plain", isInjected: false, of: await ground.DeploymentAsync("checkout"));
        var replica = await ground.ReplicaAsync(leads: true);
        await ground.KillAsync(pod, "app", "containerd://1", _killed.AddMinutes(-1), _killed);
        var record = await OneAsync(ground, record => record.Status?.Phase == CapturePhase.Failed);
        Assert.Equal((CaptureOutcome.OOMKilled, Names.OomKillTrigger, "checkout"), (record.Status!.Outcome, record.Spec.Trigger, record.Spec.Policy));
        Assert.StartsWith("NotSeen: plain has no sidecar", record.Status.OutcomeReason, StringComparison.Ordinal);
        Assert.Equal("Deployment", Assert.Single(record.Metadata.OwnerReferences!).Kind);
        await UntilMarkedAsync(ground, "plain");
        Assert.Equal((0, 1), (await replica.SampleAsync(Yes), await replica.SampleAsync(No)));
        await Eventually.Holds(
            async () => (await ground.Server.KubectlAsync("describe", "pod", "plain", "-n", ground.Namespace)).AssertOk().Output,
            text => text.Contains("OOMKilledWithoutCapture", StringComparison.Ordinal),
            "the event",
            TimeSpan.FromSeconds(20));

        await ground.Captures.DeleteAsync(ResourceKey.Of(record), new DeleteRequest(), CancellationToken.None);
        // The pod still tells of the first kill, and that one is looked at before the second.
        await ground.KillAgainAsync(pod, "app", ("containerd://1", _killed.AddMinutes(-1), _killed), "containerd://2", _killed.AddSeconds(5));
        var second = await OneAsync(ground, record => record.Status?.Phase == CapturePhase.Failed);
        Assert.Equal("containerd://2", OomKills.MarkOf(second));
        Assert.Equal(2, await replica.SampleAsync(No));
    }

    [Fact]
    public async Task Every_capture_of_the_life_says_that_it_was_a_kill_where_the_sidecar_took_it_for_an_exit()
    {
        await using var ground = await RecordsGround.StartAsync();
        await ground.PolicyAsync("checkout");
        var pod = await ground.PodAsync("a");
        var replica = await ground.ReplicaAsync(leads: true);
        var token = await ground.TokenAsync(pod);
        foreach (var (id, seconds) in new[] { ("aaaa", -7), ("bbbb", -4), ("cccc", -1) })
            Assert.Equal(200, await replica.PutAsync(Ended(id, 1, seconds, hasHeap: id != "cccc"), token));
        await ground.KillAsync(pod, "app", "containerd://1", _killed.AddMinutes(-1), _killed);
        await AllKilledAsync(3);
        Assert.Equal((1, 0), (await replica.SampleAsync(Yes), await replica.SampleAsync(No)));

        // One that comes when the kill has its record already, and one that says the same again.
        Assert.Equal(200, await replica.PutAsync(Ended("dddd", 1, -2), token));
        Assert.Equal(200, await replica.PutAsync(Ended("aaaa", 2, -7), token));
        await AllKilledAsync(4);
        Assert.Equal((1, 0), (await replica.SampleAsync(Yes), await replica.SampleAsync(No)));

        CaptureReport Ended(string id, int sequence, int seconds, bool hasHeap = true)
        {
            var report = ground.Report(id, sequence, _killed.AddSeconds(seconds), CaptureOutcome.Exited);
            return report with
            {
                Record = report.Record with
                {
                    OutcomeReason = "killed by signal 9",
                    CompletedAt = _killed.AddSeconds(1),
                    Artifacts = hasHeap ? report.Record.Artifacts : [report.Record.Artifacts[0] with { Type = "Process", Key = "process.json" }],
                },
            };
        }

        async Task AllKilledAsync(int count)
        {
            var records = await Eventually.Holds(
                ground.ListAsync,
                records => records.Count == count && records.All(record => record.Status?.Outcome == CaptureOutcome.OOMKilled),
                $"{count} records of a kill",
                TimeSpan.FromSeconds(20));
            Assert.All(records, record => Assert.StartsWith("the kubelet: the container was OOM-killed at ", record.Status!.OutcomeReason, StringComparison.Ordinal));
            Assert.Equal("bbbb", Assert.Single(records, record => OomKills.MarkOf(record) is not null).Status!.CaptureId);
        }
    }

    [Fact]
    public async Task A_late_report_takes_the_place_of_the_record_without_a_capture()
    {
        await using var ground = await RecordsGround.StartAsync();
        await ground.PolicyAsync("checkout");
        var pod = await ground.PodAsync("a");
        var replica = await ground.ReplicaAsync(leads: true, new OomKillOptions { Grace = -TimeSpan.FromMinutes(5), GraceAfterStart = TimeSpan.Zero });
        await ground.KillAsync(pod, "app", "containerd://1", _killed.AddMinutes(-1), _killed);
        var placeholder = await OneAsync(ground, record => record.Status?.Phase == CapturePhase.Failed);
        Assert.StartsWith("SidecarSilent: ", placeholder.Status!.OutcomeReason, StringComparison.Ordinal);

        Assert.Equal(200, await replica.PutAsync(ground.Report("abcd", 1, _killed.AddSeconds(-8), CaptureOutcome.OOMKilled), await ground.TokenAsync(pod)));
        var capture = await OneAsync(ground, record => record.Status?.CaptureId == "abcd" && OomKills.MarkOf(record) is not null);
        Assert.Equal("containerd://1", OomKills.MarkOf(capture));
        // It was counted when it was looked at, and a counter does not go back.
        Assert.Equal((0, 1), (await replica.SampleAsync(Yes), await replica.SampleAsync(No)));
    }

    [Fact]
    public async Task A_kill_of_what_nobody_watches_or_of_the_sidecar_makes_no_record()
    {
        await using var ground = await RecordsGround.StartAsync();
        await ground.PolicyAsync("checkout");
        var pod = await ground.PodAsync("a");
        var replica = await ground.ReplicaAsync(leads: true, new OomKillOptions { Grace = -TimeSpan.FromMinutes(5), GraceAfterStart = TimeSpan.Zero });
        await ground.KillAsync(pod, "proxy", "containerd://p", _killed.AddMinutes(-1), _killed);
        await ground.KillAsync(pod, Names.SidecarContainer, "containerd://s", _killed.AddMinutes(-1), _killed);
        await UntilMarkedAsync(ground);
        await Eventually.Holds(
            async () => (await ground.Server.KubectlAsync("describe", "pp", "checkout", "-n", ground.Namespace)).AssertOk().Output,
            text => text.Contains("SidecarOOMKilled", StringComparison.Ordinal),
            "the event on the policy",
            TimeSpan.FromSeconds(20));
        Assert.Empty(await ground.ListAsync());
        Assert.Equal((0, 0), (await replica.SampleAsync(Yes), await replica.SampleAsync(No)));
    }

    private static async Task<ProfileCapture> OneAsync(RecordsGround ground, Func<ProfileCapture, bool> condition) =>
        (await Eventually.Holds(
            async () => await ground.ListAsync() is [var one] ? one : null,
            one => one is not null && condition(one),
            "one record",
            TimeSpan.FromSeconds(20)))!;

    private static async Task UntilMarkedAsync(RecordsGround ground, string pod = "a") => await Eventually.Holds(
        () => ground.Pods.GetAsync(new ResourceKey(ground.Namespace, pod), CancellationToken.None),
        stored => stored!.Metadata.Annotations?.ContainsKey(RecordNames.RecordedKillsAnnotation) == true,
        "the mark on the pod",
        TimeSpan.FromSeconds(20));
}
