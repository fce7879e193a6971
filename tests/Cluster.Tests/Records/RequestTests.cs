using k8s.Models;
using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Records;

public sealed class RequestTests
{
    [Fact]
    public async Task A_request_is_handed_to_the_pod_and_its_report_ends_it()
    {
        await using var ground = await RecordsGround.StartAsync();
        var replica = await ground.ReplicaAsync(leads: true);
        var pod = await ground.PodAsync("a");
        await AskAsync(ground, "now", "{podName: a, captures: [{type: Heap}, {type: Cpu, duration: 3s}]}");
        var asked = await UntilAsync(ground, "now", CapturePhase.Pending);
        Assert.Equal(pod.Uid(), asked.Status!.PodUid);
        Assert.Equal(RecordReasons.Waiting, Assert.Single(asked.Status.Conditions!).Reason);
        var requested = await Eventually.Holds(
            () => replica.Recording.Requests.For(replica.Known("a", ground.Namespace)!),
            requests => requests.Count == 1,
            "the request");
        Assert.Equal(("now", asked.Metadata.Uid, (string?)null, 2), (requested[0].Name, requested[0].Uid, requested[0].Container, requested[0].Captures.Count));

        var token = await ground.TokenAsync(pod);
        var reference = new RequestReference("now", asked.Metadata.Uid!);
        Assert.True(await replica.PutAsync(ground.Report("abcd", 1) with { Request = reference }, token) == 200, replica.LastAnswer);
        var proxy = ground.Report("bcde", 1) with { Request = reference };
        proxy = proxy with { Record = proxy.Record with { Target = proxy.Record.Target with { Container = "proxy" } } };
        Assert.Equal(200, await replica.PutAsync(proxy, token));
        // Whatever comes again finds its own.
        Assert.Equal(200, await replica.PutAsync(proxy with { Sequence = 2 }, token));

        var captures = (await ground.ListAsync()).OrderBy(capture => capture.Metadata.Name, StringComparer.Ordinal).ToList();
        Assert.Equal(["a-bcde", "now"], captures.Select(capture => capture.Metadata.Name));
        Assert.Equal(("now", "proxy", 2), (captures[0].Metadata.Labels![RecordNames.RequestLabel], captures[0].Status!.Container, captures[0].Status!.Sequence));
        Assert.Equal((CapturePhase.Completed, "abcd", "app"), (captures[1].Status!.Phase, captures[1].Status!.CaptureId, captures[1].Status!.Container));
        Assert.Equal(["Complete", "Stored"], captures[1].Status!.Conditions!.Select(condition => condition.Type));
        await Eventually.IsTrue(() => replica.Recording.Requests.For(replica.Known("a", ground.Namespace)!).Count == 0, "the request is done");
    }

    [Fact]
    public async Task A_request_that_nobody_can_answer_says_what_to_do()
    {
        await using var ground = await RecordsGround.StartAsync();
        await ground.PolicyAsync("checkout");
        await ground.PodAsync("plain", isInjected: false);
        await ground.PodAsync("a");
        await ground.ReplicaAsync(leads: true);
        await AskAsync(ground, "nobody", "{podName: missing}");
        await AskAsync(ground, "not-injected", "{podName: plain}");
        await AskAsync(ground, "no-container", "{podName: a, container: web}");
        await FailsAsync("nobody", RecordReasons.PodNotFound, "kubectl get pods");
        await FailsAsync("not-injected", RecordReasons.PodNotInjected, "rollout restart");
        await FailsAsync("no-container", RecordReasons.ContainerUnknown, "app, proxy");

        await AskAsync(ground, "too-late", "{podName: a}");
        await UntilAsync(ground, "too-late", CapturePhase.Pending);
        await ground.Pods.DeleteAsync(new ResourceKey(ground.Namespace, "a"), new DeleteRequest(), CancellationToken.None);
        await ground.Server.KubectlAsync("delete", "pod", "a", "-n", ground.Namespace, "--grace-period=0", "--force", "--ignore-not-found");
        await FailsAsync("too-late", RecordReasons.PodEnded, "deleted");
        Assert.Contains("PodEnded", (await ground.Server.KubectlAsync("describe", "pcap", "too-late", "-n", ground.Namespace)).AssertOk().Output, StringComparison.Ordinal);

        async Task FailsAsync(string name, string reason, string message)
        {
            var failed = await UntilAsync(ground, name, CapturePhase.Failed);
            var condition = Assert.Single(failed.Status!.Conditions!);
            Assert.Equal(reason, condition.Reason);
            Assert.Contains(message, condition.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task More_requests_than_may_be_under_way_wait_in_line_the_oldest_first()
    {
        await using var ground = await RecordsGround.StartAsync();
        var pod = await ground.PodAsync("a");
        foreach (var name in (string[])["first", "second", "third", "fourth"])
            await AskAsync(ground, name, "{podName: a, container: app}");
        var replica = await ground.ReplicaAsync(leads: true);
        foreach (var name in (string[])["first", "second", "third", "fourth"])
            await UntilAsync(ground, name, CapturePhase.Pending);
        var line = (await ground.ListAsync()).OrderBy(capture => capture.Metadata.CreationTimestamp).ThenBy(capture => capture.Metadata.Name, StringComparer.Ordinal).ToList();
        Assert.Equal(
            [(RecordReasons.Waiting, "False", pod.Uid()), (RecordReasons.Waiting, "False", pod.Uid()), (RecordReasons.Queued, "Unknown", null), (RecordReasons.Queued, "Unknown", null)],
            line.Select(capture => (capture.Status!.Conditions!.Single().Reason, capture.Status.Conditions!.Single().Status, capture.Status.PodUid)));

        var report = ground.Report("abcd", 1) with { Request = new RequestReference(line[0].Metadata.Name, line[0].Metadata.Uid!) };
        Assert.True(await replica.PutAsync(report, await ground.TokenAsync(pod)) == 200, replica.LastAnswer);
        await HasTurnAsync(line[2].Metadata.Name);
        // A place becomes free when a request is taken back, too.
        await ground.Server.KubectlAsync("delete", "pcap", line[1].Metadata.Name, "-n", ground.Namespace);
        await HasTurnAsync(line[3].Metadata.Name);

        Task HasTurnAsync(string name) => Eventually.Holds(
            async () => (await ground.ListAsync()).Single(capture => capture.Metadata.Name == name),
            capture => capture.Status?.PodUid == pod.Uid() && capture.Status.Conditions!.Single().Reason == RecordReasons.Waiting,
            $"the turn of {name}");
    }

    private static Task AskAsync(RecordsGround ground, string name, string spec) =>
        ground.Server.ApplyAsync($"apiVersion: premortem.dev/v1alpha1\nkind: ProfileCapture\nmetadata: {{name: {name}}}\nspec: {spec}\n", ground.Namespace);

    private static async Task<ProfileCapture> UntilAsync(RecordsGround ground, string name, CapturePhase phase) =>
        (await Eventually.Holds(
            () => ground.Captures.GetAsync(new ResourceKey(ground.Namespace, name), CancellationToken.None),
            capture => capture?.Status?.Phase == phase,
            $"{name} {phase}",
            TimeSpan.FromSeconds(20)))!;
}
