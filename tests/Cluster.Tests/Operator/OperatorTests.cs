using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Premortem.Contracts;
using Premortem.Operator.Hosting;
using Premortem.Testing;
using Xunit;
using static Premortem.Cluster.Tests.OperatorStory.OperatorGround;

namespace Premortem.Cluster.Tests.OperatorStory;

/// <summary>The operator on a real API server, as users meet it.</summary>
public sealed class OperatorTests(OperatorGround ground) : IClassFixture<OperatorGround>
{
    [Fact]
    public async Task A_policy_brings_the_sidecar_its_change_follows_and_its_end_leaves_new_pods_alone()
    {
        await using var op = await ground.StartAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        Assert.False(IsInjected(await ground.CreatePodAsync(ns, "before")));

        await ground.ApplyPolicyAsync(ns, "checkout");
        var pod = await ground.CreateInjectedPodAsync(ns, "shop");
        Assert.Equal($"{ns.Name}/checkout", pod.Metadata.Annotations[Names.PoliciesAnnotation]);
        Assert.Contains("85%", Settings(pod), StringComparison.Ordinal);
        Assert.False(IsInjected(await ground.CreatePodAsync(ns, "other", app: "other")));

        await ground.ApplyPolicyAsync(ns, "checkout", threshold: "70%");
        var changed = await ground.PodAsync(ns, pod.Name(), now => Settings(now).Contains("70%", StringComparison.Ordinal), "new settings on the pod");
        Assert.NotEqual(Revision(pod), Revision(changed));

        (await ground.Server.KubectlAsync("delete", "profilepolicy", "checkout", "-n", ns.Name)).AssertOk();
        var last = await ground.PodAsync(ns, pod.Name(), now => !Settings(now).Contains("70%", StringComparison.Ordinal), "settings without a policy");
        Assert.Empty(JsonNode.Parse(Settings(last))!["policies"]?.AsArray() ?? []);
        Assert.False(IsInjected(await ground.CreatePodAsync(ns, "after")));
        Assert.Equal(0, await op.FigureAsync("premortem_injection_errors_total"));
    }

    [Fact]
    public async Task The_settings_that_a_pod_is_made_with_are_those_that_it_keeps()
    {
        await using var op = await ground.StartAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        await ground.ApplyPolicyAsync(ns, "checkout");
        var pod = await ground.CreateInjectedPodAsync(ns, "shop");
        await ground.PolicyStatusAsync(ns, "checkout", status => (int?)status["injectedPods"] == 1, "one pod injected");
        // The pod has been looked at when a later pod's policy has been followed.
        await ground.ApplyPolicyAsync(ns, "second", app: "second");
        var second = await ground.CreateInjectedPodAsync(ns, "second", "second");
        await ground.ApplyPolicyAsync(ns, "second", app: "second", threshold: "50%");
        await ground.PodAsync(ns, second.Name(), now => Settings(now).Contains("50%", StringComparison.Ordinal), "new settings");
        Assert.Equal(pod.Metadata.ResourceVersion, (await ground.Client.CoreV1.ReadNamespacedPodAsync(pod.Name(), ns.Name)).Metadata.ResourceVersion);
        Assert.Equal(1, await op.FigureAsync("premortem_settings_writes_total"));
    }

    [Fact]
    public async Task A_status_counts_pods_by_what_became_of_them_and_is_written_only_when_that_changes()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await ground.CreatePodAsync(ns, "old");
        await using var op = await ground.StartAsync();
        await ground.ApplyPolicyAsync(ns, "checkout");
        await ground.CreateInjectedPodAsync(ns, "new");
        await ground.CreatePodAsync(ns, "without", change: pod => pod.Metadata.Annotations = new Dictionary<string, string> { [Names.InjectAnnotation] = "false" });
        var status = await ground.PolicyStatusAsync(ns, "checkout", status => (int?)status["matchedPods"] >= 3 && Missed(status, "OptedOut") == 1, "three pods");
        Assert.Equal(1, (int?)status!["injectedPods"]);
        Assert.InRange(Missed(status, "NotSeen"), 1, 100);
        Assert.Equal("old", (string?)status["missedPods"]!.AsArray().Single(item => (string?)item!["reason"] == "NotSeen")!["examples"]!.AsArray()[^1] ?? "");
        Assert.Equal("True", Condition(status, "Ready"));
        Assert.Equal("False", Condition(status, "Injecting"));
        Assert.Equal("Unknown", Condition(status, "StorageReachable"));

        var version = await VersionAsync(ns, "checkout");
        await ground.Client.CoreV1.PatchNamespacedPodAsync(new V1Patch("""{"metadata": {"annotations": {"example.org/note": "x"}}}""", V1Patch.PatchType.MergePatch), "old", ns.Name);
        await ground.ApplyPolicyAsync(ns, "later", app: "nobody");
        await ground.PolicyStatusAsync(ns, "later", status => Condition(status, "Ready") == "True", "a later policy's status");
        Assert.Equal(version, await VersionAsync(ns, "checkout"));

        await ground.Client.CoreV1.DeleteNamespacedPodAsync("old", ns.Name, gracePeriodSeconds: 0);
        await ground.PolicyStatusAsync(ns, "checkout", now => (int?)now["matchedPods"] < (int?)status["matchedPods"], "one pod less");
    }

    [Fact]
    public async Task What_sidecars_say_of_the_store_stands_in_the_status()
    {
        await using var op = await ground.StartAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        await ground.ApplyPolicyAsync(ns, "checkout");
        var pod = await ground.CreateInjectedPodAsync(ns, "shop");
        await SayAsync($$$"""{"revision": "{{{Revision(pod)}}}", "storage": {"reachable": false, "location": "s3://b/", "reason": "AccessDenied", "message": "403"}, "version": "1"}""");
        var status = await ground.PolicyStatusAsync(ns, "checkout", status => Condition(status, "StorageReachable") == "False", "a store that is not reached");
        var condition = status!["conditions"]!.AsArray().Single(item => (string?)item!["type"] == "StorageReachable")!;
        Assert.Equal("AccessDenied", (string?)condition["reason"]);
        Assert.Contains(pod.Name(), (string?)condition["message"], StringComparison.Ordinal);
        Assert.Equal("True", Condition(status, "SettingsApplied"));

        await SayAsync($$$"""{"revision": "{{{Revision(pod)}}}", "storage": {"reachable": true, "location": "s3://b/"}, "version": "1"}""");
        await ground.PolicyStatusAsync(ns, "checkout", now => Condition(now, "StorageReachable") == "True", "a store that is reached");
        await SayAsync("""{"revision": "older", "version": "1"}""");
        await ground.PolicyStatusAsync(ns, "checkout", now => Condition(now, "SettingsApplied") == "False", "settings that are not followed");

        Task SayAsync(string text) => ground.Client.CoreV1.PatchNamespacedPodAsync(
            new V1Patch(new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Names.StatusAnnotation] = text } } }.ToJsonString(), V1Patch.PatchType.MergePatch), pod.Name(), ns.Name);
    }

    [Fact]
    public async Task An_invalid_change_keeps_the_last_good_settings_and_says_so()
    {
        await using var op = await ground.StartAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        await ground.ApplyPolicyAsync(ns, "checkout");
        var pod = await ground.CreateInjectedPodAsync(ns, "shop");
        // A server with CEL refuses two kinds in one trigger; what no schema sees is a time zone that is none.
        await ground.Server.ApplyAsync(Policy("checkout", "shop", "60%").Replace("triggers: [", "triggers: [{name: nightly, schedule: {cron: \"0 3 * * *\", timeZone: Mars/Olympus}}, ", StringComparison.Ordinal), ns.Name);
        var status = await ground.PolicyStatusAsync(ns, "checkout", status => Condition(status, "Ready") == "False", "an invalid policy");
        Assert.Contains("timeZone", status!["conditions"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Contains("85%", Settings(await ground.Client.CoreV1.ReadNamespacedPodAsync(pod.Name(), ns.Name)), StringComparison.Ordinal);
        Assert.False(IsInjected(await ground.CreatePodAsync(ns, "meanwhile")));

        await ground.ApplyPolicyAsync(ns, "checkout", threshold: "60%");
        await ground.PodAsync(ns, pod.Name(), now => Settings(now).Contains("60%", StringComparison.Ordinal), "the next good settings");
    }

    [Fact]
    public async Task A_cluster_policy_follows_the_labels_of_namespaces()
    {
        await using var op = await ground.StartAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        var name = $"everywhere-{ns.Name}";
        await ground.Server.ApplyAsync(Policy(name, "shop", "85%").Replace("kind: ProfilePolicy", "kind: ClusterProfilePolicy", StringComparison.Ordinal).Replace("spec:", $"spec:\n  namespaceSelector: {{matchLabels: {{team: {ns.Name}}}}}", StringComparison.Ordinal));
        Assert.False(IsInjected(await ground.CreatePodAsync(ns, "before")));
        await ground.Client.CoreV1.PatchNamespaceAsync(new V1Patch($$$$"""{"metadata": {"labels": {"team": "{{{{ns.Name}}}}"}}}""", V1Patch.PatchType.MergePatch), ns.Name);
        var pod = await ground.CreateInjectedPodAsync(ns, "shop");
        Assert.Equal(name, pod.Metadata.Annotations[Names.PoliciesAnnotation]);
        (await ground.Server.KubectlAsync("delete", "clusterprofilepolicy", name)).AssertOk();
    }

    [Fact]
    public async Task A_request_for_a_capture_reaches_the_pod_s_settings()
    {
        await using var op = await ground.StartAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        await ground.ApplyPolicyAsync(ns, "checkout");
        var pod = await ground.CreateInjectedPodAsync(ns, "shop");
        await ground.Server.ApplyAsync($$$"""
            apiVersion: premortem.dev/v1alpha1
            kind: ProfileCapture
            metadata: {name: now}
            spec: {podName: {{{pod.Name()}}}, captures: [{type: Heap}]}
            """, ns.Name);
        var asked = await ground.PodAsync(ns, pod.Name(), now => JsonNode.Parse(Settings(now))!["requests"]?.AsArray().Count == 1, "a request in the settings");
        Assert.Equal("now", (string?)JsonNode.Parse(Settings(asked))!["requests"]![0]!["name"]);
    }

    [Fact]
    public async Task Without_an_operator_pods_are_made_without_delay_or_sidecar()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await using (await ground.StartAsync())
        {
            await ground.ApplyPolicyAsync(ns, "checkout");
            await ground.CreateInjectedPodAsync(ns, "shop");
        }
        Assert.False(IsInjected(await ground.CreatePodAsync(ns, "alone")));
    }

    [Fact]
    public async Task A_pod_that_is_only_tried_leaves_no_trace()
    {
        await using var op = await ground.StartAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        await ground.ApplyPolicyAsync(ns, "checkout");
        await ground.CreateInjectedPodAsync(ns, "shop");
        var tried = await ground.Client.CoreV1.CreateNamespacedPodAsync(
            new V1Pod { Metadata = new V1ObjectMeta { GenerateName = "try-", Labels = new Dictionary<string, string> { ["app"] = "shop" } }, Spec = new V1PodSpec { ServiceAccountName = "default", Containers = [new V1Container { Name = "app", Image = "a" }] } },
            ns.Name,
            dryRun: "All");
        Assert.True(IsInjected(tried));
        Assert.DoesNotContain((await ground.Client.CoreV1.ListNamespacedPodAsync(ns.Name)).Items, pod => pod.Name().StartsWith("try-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_new_authority_is_trusted_by_servers_and_told_to_sidecars_while_injection_goes_on()
    {
        await using var op = await ground.StartAsync();
        await using var ns = await ground.Server.NewNamespaceAsync();
        await ground.ApplyPolicyAsync(ns, "checkout");
        var pod = await ground.CreateInjectedPodAsync(ns, "shop");
        var before = await BundleAsync();
        await ground.Client.CoreV1.PatchNamespacedSecretAsync(new V1Patch("""[{"op": "remove", "path": "/data"}]""", V1Patch.PatchType.JsonPatch), "premortem-ca", Home);
        // Another replica, since the first one looks at the Secret once a minute.
        await using var other = await ground.StartAsync();
        await Eventually.Holds(BundleAsync, bundle => bundle != before, "another caBundle", TimeSpan.FromSeconds(20));
        ground.Service.Remove(op.Process.HttpsPort);
        await ground.CreateInjectedPodAsync(ns, "after");
        Assert.True(IsInjected(await ground.CreatePodAsync(ns, "at-once")));
        Assert.NotNull(pod);

        async Task<string> BundleAsync() => Encoding.ASCII.GetString((await ground.Client.AdmissionregistrationV1.ReadMutatingWebhookConfigurationAsync("premortem")).Webhooks[0].ClientConfig.CaBundle ?? []);
    }

    [Fact]
    public async Task The_API_server_comes_back_and_so_does_everything_else()
    {
        // Long enough that the lead outlives the restart: what happens otherwise is the next test's.
        await using var op = await ground.StartAsync(options => options with { LeaseDuration = TimeSpan.FromMinutes(2), LeaseRenewDeadline = TimeSpan.FromSeconds(100) });
        await using var ns = await ground.Server.NewNamespaceAsync();
        await ground.ApplyPolicyAsync(ns, "checkout");
        var pod = await ground.CreateInjectedPodAsync(ns, "shop");
        await ground.Server.RestartAsync();
        await ground.CreateInjectedPodAsync(ns, "again");
        await ground.ApplyPolicyAsync(ns, "checkout", threshold: "55%");
        await ground.PodAsync(ns, pod.Name(), now => Settings(now).Contains("55%", StringComparison.Ordinal), "new settings after the restart");
    }

    [Fact]
    public async Task Who_cannot_renew_the_lead_ends_to_be_started_anew()
    {
        await using var op = await ground.StartAsync();
        await Eventually.IsTrue(() => op.Process.IsLeader, "it leads");
        await ground.Server.StopApiServerAsync();
        try
        {
            Assert.Equal(ExitCodes.LeadershipLost, await op.Ended.WaitAsync(TimeSpan.FromSeconds(60)));
        }
        finally
        {
            await ground.Server.StartApiServerAsync();
        }
    }

    [Fact]
    public async Task A_wrong_policy_is_refused_with_its_field_and_an_odd_one_with_a_warning()
    {
        await using var op = await ground.StartAsync();
        await using var ns = await ground.Server.NewNamespaceAsync(new Dictionary<string, string> { ["validate"] = "true" });
        // What no schema sees: a time zone that is none.
        var file = Path.Combine(Path.GetTempPath(), $"{ns.Name}.yaml");
        var policy = Policy("checkout", "nobody", "85%");
        await File.WriteAllTextAsync(file, policy.Replace("triggers: [", "triggers: [{name: nightly, schedule: {cron: \"0 3 * * *\", timeZone: Mars/Olympus}}, ", StringComparison.Ordinal));
        var refused = await ground.Server.KubectlAsync("apply", "-n", ns.Name, "-f", file);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("spec.triggers[0].schedule.timeZone", refused.ToString(), StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, policy);
        var taken = await ground.Server.KubectlAsync("apply", "-n", ns.Name, "-f", file);
        taken.AssertOk();
        Assert.Contains("Warning:", taken.ToString(), StringComparison.Ordinal);
        File.Delete(file);
    }

    [Fact]
    public async Task A_replica_that_is_told_to_stop_gives_the_lead_away_at_once()
    {
        await using var first = await ground.StartAsync();
        await Eventually.IsTrue(() => first.Process.IsLeader, "the first leads");
        await using var second = await ground.StartAsync();
        Assert.False(second.Process.IsLeader);
        Assert.Equal(ExitCodes.Done, await first.StopAsync());
        await Eventually.IsTrue(() => second.Process.IsLeader, "the second leads", TimeSpan.FromSeconds(2.5));
    }

    [Fact]
    public async Task A_thousand_policies_are_ready_and_found()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        foreach (var some in Enumerable.Range(0, 1000).Chunk(250))
            await ground.Server.ApplyAsync(string.Join("\n---\n", some.Select(i => Policy($"p{i}", $"a{i}", "85%"))), ns.Name);
        await using var op = await ground.StartAsync();
        var pod = await ground.CreateInjectedPodAsync(ns, "one", "a777");
        Assert.Equal($"{ns.Name}/p777", pod.Metadata.Annotations[Names.PoliciesAnnotation]);
        await Eventually.Holds(() => op.FigureAsync("premortem_policy_status_writes_total"), writes => writes >= 1000, "a status for each", TimeSpan.FromSeconds(60));
        Assert.InRange(await op.FigureAsync("premortem_policy_status_writes_total"), 1000, 1010);
        (await ground.Server.KubectlAsync("delete", "profilepolicies", "--all", "-n", ns.Name, "--wait=false")).AssertOk();
    }

    [Fact]
    public async Task Check_says_what_is_there_and_what_is_not()
    {
        await using var op = await ground.StartAsync();
        var options = new OperatorOptions { Namespace = Home };
        using var client = await ground.Server.ClientForAsync(Home, Account);
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        Assert.True(await new CheckCommand(options, client, null, output).RunAsync() == ExitCodes.Done, output.ToString());
        Assert.Contains("Nothing is missing.", output.ToString(), StringComparison.Ordinal);

        using var stranger = await ground.Server.ClientForAsync(Home, "stranger");
        using var denied = new StringWriter(CultureInfo.InvariantCulture);
        Assert.Equal(ExitCodes.Failed, await new CheckCommand(options, stranger, null, denied).RunAsync());
        Assert.Contains("not granted: get pods; list pods", denied.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_says_why_it_is_not_ready_and_lets_pods_through_until_it_is()
    {
        await using var service = new ServiceStandIn();
        await using var server = await KubeApiServer.StartAsync();
        await InstallAsync(server, service.Port, crds: false);
        await using var op = await RunningOperator.StartAsync(server, service, null, untilReady: false);
        await using var ns = await server.NewNamespaceAsync();
        await Eventually.Holds(() => op.GetAsync("/readyz"), answer => answer.Text.Contains("[+] certificate", StringComparison.Ordinal), "a certificate");
        var (status, text) = await op.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Contains("profilepolicies.premortem.dev (is its CRD there? kubectl apply -f crds/)", text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await op.GetAsync("/healthz")).Status);
        await server.Client.CoreV1.CreateNamespacedPodAsync(new V1Pod { Metadata = new V1ObjectMeta { Name = "early" }, Spec = new V1PodSpec { Containers = [new V1Container { Name = "app", Image = "a" }] } }, ns.Name);
        Assert.Equal(1, await op.FigureAsync("premortem_injection_errors_total"));

        await ApplyCrdsAsync(server);
        await op.Process.WhenReady.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(HttpStatusCode.OK, (await op.GetAsync("/readyz")).Status);
    }

    private async Task<string?> VersionAsync(KubeNamespace ns, string policy) => (string?)(await ground.PolicyAsync(ns, policy))!["metadata"]!["resourceVersion"];

    private static string? Revision(V1Pod pod) => (string?)JsonNode.Parse(Settings(pod))!["revision"];

    private static int Missed(JsonObject status, string reason) =>
        (int?)status["missedPods"]?.AsArray().FirstOrDefault(item => (string?)item!["reason"] == reason)?["count"] ?? 0;

    private static string? Condition(JsonObject status, string type) =>
        (string?)status["conditions"]?.AsArray().FirstOrDefault(item => (string?)item!["type"] == type)?["status"];
}
