using System.Text;
using k8s;
using k8s.Models;
using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Runtime;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Records;

public sealed class ReportTests
{
    [Fact]
    public async Task A_report_becomes_a_record_of_the_workload_that_kubectl_can_tell()
    {
        await using var ground = await RecordsGround.StartAsync();
        var replica = await ground.ReplicaAsync();
        var deployment = await ground.DeploymentAsync("checkout");
        var pod = await ground.PodAsync("checkout-7d9f-x2x", of: deployment);
        var token = await ground.TokenAsync(pod);
        Assert.True(await replica.PutAsync(ground.Report("0196a1b2c3d4", 1), token) == 200, replica.LastAnswer);

        var capture = Assert.Single(await ground.ListAsync());
        Assert.Equal("checkout-7d9f-x2x-0196a1b2c3d4", capture.Metadata.Name);
        Assert.Equal([new OwnerReference("apps/v1", "Deployment", "checkout", deployment.Uid())], capture.Metadata.OwnerReferences);
        Assert.Equal(("checkout-7d9f-x2x", pod.Uid(), "checkout"), (capture.Spec.PodName, capture.Status!.PodUid, capture.Metadata.Labels![RecordNames.WorkloadLabel]));

        var table = (await ground.Server.KubectlAsync("get", "pcap", "-n", ground.Namespace)).AssertOk().Output.Split('\n');
        Assert.Matches(@"NAME +POD +TRIGGER +MEMORY +TOP +OUTCOME +AGE", table[0]);
        Assert.Matches(@"checkout-7d9f-x2x-0196a1b2c3d4 +checkout-7d9f-x2x +near-limit +241Mi/256Mi \(94%\) +main.Leak +Survived +\d+s", table[1]);
        foreach (var (kind, name) in new[] { ("pod", "checkout-7d9f-x2x"), ("deployment", "checkout"), ("pcap", capture.Metadata.Name) })
        {
            var told = await Eventually.Holds(
                async () => (await ground.Server.KubectlAsync("describe", kind, name, "-n", ground.Namespace)).AssertOk().Output,
                text => text.Contains("CaptureCompleted", StringComparison.Ordinal),
                $"the event on the {kind}",
                TimeSpan.FromSeconds(20));
            Assert.Contains("checkout: near-limit captured Heap of app at 94 %: 95.6 % main.Leak; s3://profiles/x/", told, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Only_a_token_for_us_that_is_bound_to_a_living_pod_may_report()
    {
        await using var ground = await RecordsGround.StartAsync();
        var replica = await ground.ReplicaAsync();
        var pod = await ground.PodAsync("checkout-1");
        var good = await ground.TokenAsync(pod);
        var report = ground.Report("0196a1b2c3d4", 1);

        Assert.Equal(401, await replica.PutAsync(report, await ground.Server.TokenAsync(ground.Namespace, "app", "somebody.else", pod)));
        Assert.Equal(401, await replica.PutAsync(report, await ground.Server.TokenAsync(ground.Namespace, "app", null, pod)));
        Assert.Equal(403, await replica.PutAsync(report, await ground.Server.TokenAsync(ground.Namespace, "app", Names.TokenAudience)));
        Assert.Equal(401, await replica.PutAsync(report, Forged(good, claims => claims.Replace("checkout-1", "checkout-2", StringComparison.Ordinal))));
        Assert.Equal(401, await replica.PutAsync(report, Forged(good, claims => claims.Replace("\"exp\":1", "\"exp\":9", StringComparison.Ordinal))));
        Assert.Empty(await ground.ListAsync());

        await ground.Server.Client.CoreV1.DeleteNamespacedPodAsync("checkout-1", ground.Namespace, gracePeriodSeconds: 0);
        // The API server itself remembers for some seconds what it reviewed, and this token it has never seen.
        await Eventually.Holds(() => replica.PutAsync(report, good), status => status == 401, "the end of the token", TimeSpan.FromSeconds(30));
        Assert.Empty(await ground.ListAsync());

        static string Forged(string token, Func<string, string> change)
        {
            var parts = token.Split('.');
            var padded = parts[1].Replace('-', '+').Replace('_', '/').PadRight((parts[1].Length + 3) / 4 * 4, '=');
            var claims = change(Encoding.UTF8.GetString(Convert.FromBase64String(padded)));
            parts[1] = Convert.ToBase64String(Encoding.UTF8.GetBytes(claims)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
            return string.Join('.', parts);
        }
    }

    [Fact]
    public async Task Nobody_reports_for_another_pod()
    {
        await using var ground = await RecordsGround.StartAsync();
        var replica = await ground.ReplicaAsync();
        // Of the names that could mean the same object: pod "a" with the id of pod "a-1234".
        var (a, b) = (await ground.PodAsync("a"), await ground.PodAsync("a-1234"));
        Assert.Equal(200, await replica.PutAsync(ground.Report("abcd", 1), await ground.TokenAsync(b)));
        Assert.Equal(403, await replica.PutAsync(ground.Report("1234-abcd", 5), await ground.TokenAsync(a)));
        var capture = Assert.Single(await ground.ListAsync());
        Assert.Equal((b.Uid(), 1), (capture.Status!.PodUid, capture.Status.Sequence));

        await ground.Server.ApplyAsync("apiVersion: premortem.dev/v1alpha1\nkind: ProfileCapture\nmetadata: {name: asked}\nspec: {podName: a-1234}\n", ground.Namespace);
        var asked = (await ground.Captures.GetAsync(new ResourceKey(ground.Namespace, "asked"), CancellationToken.None))!;
        Assert.Equal(403, await replica.PutAsync(ground.Report("ffff", 1) with { Request = new RequestReference("asked", asked.Metadata.Uid!) }, await ground.TokenAsync(a)));
    }

    [Fact]
    public async Task A_container_that_the_pod_does_not_have_is_refused()
    {
        await using var ground = await RecordsGround.StartAsync();
        var replica = await ground.ReplicaAsync();
        var report = ground.Report("abcd", 1);
        report = report with { Record = report.Record with { Target = report.Record.Target with { Container = "premortem" } } };
        Assert.Equal(422, await replica.PutAsync(report, await ground.TokenAsync(await ground.PodAsync("a"))));
        Assert.Contains("app, proxy", replica.LastAnswer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_comes_twice_or_late_changes_nothing()
    {
        await using var ground = await RecordsGround.StartAsync();
        var replica = await ground.ReplicaAsync();
        var token = await ground.TokenAsync(await ground.PodAsync("a"));
        Assert.Equal(200, await replica.PutAsync(ground.Report("abcd", 3), token));
        var before = Assert.Single(await ground.ListAsync());
        Assert.Equal(200, await replica.PutAsync(ground.Report("abcd", 3, outcome: CaptureOutcome.Exited), token));
        Assert.Equal(200, await replica.PutAsync(ground.Report("abcd", 2, outcome: CaptureOutcome.Exited), token));
        Assert.Equal(before.Metadata.ResourceVersion, Assert.Single(await ground.ListAsync()).Metadata.ResourceVersion);
        Assert.Equal(2, await replica.SampleAsync("premortem_capture_reports_total{result=\"unchanged\"}"));
        Assert.Equal(1, await replica.SampleAsync("premortem_captures_total{phase=\"Completed\",trigger_kind=\"memoryUsage\"}"));
    }

    [Fact]
    public async Task Two_replicas_at_once_make_one_record_and_the_last_report_counts()
    {
        await using var ground = await RecordsGround.StartAsync();
        var replicas = new[] { await ground.ReplicaAsync(), await ground.ReplicaAsync() };
        var token = await ground.TokenAsync(await ground.PodAsync("a"));
        var sent = Enumerable.Range(1, 12).Select(async sequence =>
        {
            var report = ground.Report("abcd", sequence);
            report = report with { Record = report.Record with { OutcomeReason = $"report {sequence}" } };
            int status;
            do
                status = await replicas[sequence % 2].PutAsync(report, token);
            while (status == 503);
            return status;
        });
        Assert.All(await Task.WhenAll(sent), status => Assert.Equal(200, status));
        var capture = Assert.Single(await ground.ListAsync());
        Assert.Equal((12, "report 12"), (capture.Status!.Sequence, capture.Status.OutcomeReason));
    }

    [Fact]
    public async Task What_a_sidecar_says_of_itself_stands_on_its_pod_and_is_written_once()
    {
        await using var ground = await RecordsGround.StartAsync();
        var replica = await ground.ReplicaAsync();
        var pod = await ground.PodAsync("a");
        var token = await ground.TokenAsync(pod);
        var status = new SidecarStatus { Revision = "r1", Version = "0.1.0", Targets = [new TargetStatus("app", null, null, "nobody listens", "cgroup v2", 1 << 28)] };
        Assert.Equal(200, await replica.PutAsync(status, token));
        var stored = (await ground.Pods.GetAsync(new ResourceKey(ground.Namespace, "a"), CancellationToken.None))!;
        Assert.Equal("nobody listens", SidecarStatuses.Of(stored)!.Targets[0].WhyNoProfiles);
        await Eventually.Holds(() => replica.Known("a", ground.Namespace), known => known?.Metadata.ResourceVersion == stored.Metadata.ResourceVersion, "the copy of the pod");
        Assert.Equal(200, await replica.PutAsync(status, token));
        Assert.Contains("unchanged", replica.LastAnswer, StringComparison.Ordinal);
        Assert.Equal(stored.Metadata.ResourceVersion, (await ground.Pods.GetAsync(new ResourceKey(ground.Namespace, "a"), CancellationToken.None))!.Metadata.ResourceVersion);
    }

    [Fact]
    public async Task The_oldest_records_of_a_policy_go_when_there_are_more_than_it_keeps()
    {
        await using var ground = await RecordsGround.StartAsync();
        await ground.PolicyAsync("checkout", historyLimit: 2);
        var replica = await ground.ReplicaAsync(leads: true);
        var token = await ground.TokenAsync(await ground.PodAsync("a"));
        var now = TimeProvider.System.GetUtcNow();
        foreach (var (id, minutes) in new[] { ("old1", 50), ("old2", 40), ("new1", 10), ("new2", 5) })
            Assert.Equal(200, await replica.PutAsync(ground.Report(id, 1, now.AddMinutes(-minutes)), token));
        await Eventually.Holds(
            async () => (await ground.ListAsync()).Select(capture => capture.Metadata.Name).Order().ToArray(),
            names => names.SequenceEqual(["a-new1", "a-new2"]),
            "what the policy keeps",
            TimeSpan.FromSeconds(20));
        await Eventually.Holds(
            () => replica.Recording.Counts.Of(new PolicyKey("ProfilePolicy", ground.Namespace, "checkout")),
            count => count.Captures == 2 && count.LastCaptureTime == CaptureRecords.Seconds(now.AddMinutes(-5).AddSeconds(5)),
            "the counts");
    }
}
