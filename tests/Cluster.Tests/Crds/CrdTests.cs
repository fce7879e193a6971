using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Crds;

/// <summary>The kinds on a real API server, as kubectl's users meet them.</summary>
public sealed class CrdTests(CrdTests.Ground ground) : IClassFixture<CrdTests.Ground>
{
    private static readonly string Corpus = Repository.Path("tests", "Operator.Tests", "Policies", "testdata", "policies");

    private const string Policy = """
        apiVersion: premortem.dev/v1alpha1
        kind: ProfilePolicy
        metadata: {name: checkout}
        spec:
          selector: {matchLabels: {app: checkout}}
          triggers:
            - {name: near-limit, memoryUsage: {threshold: 85%}}
            - {name: oom-ahead, timeToLimit: {within: 20s}}
          captures: [{type: Heap}, {type: Cpu, duration: 5s}]
          flightRecorder: {}
          limits: {maxPerDay: 3}
          go: {}
          storage: {s3: {bucket: profiles, region: eu-west-1}}

        """;

    /// <summary>A server of its own: nobody else's webhooks judge here.</summary>
    public sealed class Ground : IAsyncLifetime
    {
        public KubeApiServer Server { get; private set; } = null!;

        public KubeNamespace Namespace { get; private set; } = null!;

        public TemporaryFolder Folder { get; } = new();

        public async ValueTask InitializeAsync()
        {
            Server = await KubeApiServer.StartAsync();
            (await ApplyKindsAsync()).AssertOk();
            await Eventually.Holds(async () => (await Server.KubectlAsync("get", "pp,cpp,pcap", "-A")).ExitCode, code => code == 0, "the kinds served", TimeSpan.FromSeconds(60));
            Namespace = await Server.NewNamespaceAsync();
        }

        public async ValueTask DisposeAsync()
        {
            if (Server is not null)
                await Server.DisposeAsync();
            Folder.Dispose();
        }

        /// <summary>A server from before CEL drops its rules without a word, but kubectl would not send them.</summary>
        public Task<KubeCommand> ApplyKindsAsync() =>
            Server.KubectlAsync("apply", Server.Has(KubeFeature.Cel) ? "--validate=true" : "--validate=false", "-f", Repository.Path("crds"));

        public Task<KubeCommand> KubectlAsync(params string[] arguments) => Server.KubectlAsync([.. arguments, "-n", Namespace.Name]);

        public string Write(string name, string text)
        {
            var path = Path.Combine(Folder.Path, name);
            File.WriteAllText(path, text);
            return path;
        }

        public async Task<JsonObject> GetAsync(string kind, string name) =>
            JsonNode.Parse((await KubectlAsync("get", kind, name, "-o", "json")).AssertOk().Output)!.AsObject();
    }

    [Fact]
    public async Task Applied_again_the_kinds_stay_as_they_are()
    {
        string[] get = ["get", "crd", "profilepolicies.premortem.dev", "clusterprofilepolicies.premortem.dev", "profilecaptures.premortem.dev", "-o", "jsonpath={.items[*].metadata.generation}"];
        var before = (await ground.Server.KubectlAsync(get)).AssertOk().Output;
        (await ground.ApplyKindsAsync()).AssertOk();
        Assert.Equal(before, (await ground.Server.KubectlAsync(get)).AssertOk().Output);
        Assert.Equal(3, before.Split(' ').Length);
    }

    [Fact]
    public async Task The_kinds_can_be_applied_on_the_server_side()
    {
        KubeNeed.Server(ground.Server, KubeFeature.Cel);
        string[] apply = ["apply", "--server-side", "--force-conflicts", "-f", Repository.Path("crds")];
        (await ground.Server.KubectlAsync(apply)).AssertOk();
        var version = await Version();
        (await ground.Server.KubectlAsync(apply)).AssertOk();
        Assert.Equal(version, await Version());

        async Task<string> Version() =>
            (await ground.Server.KubectlAsync("get", "crd", "profilepolicies.premortem.dev", "-o", "jsonpath={.metadata.resourceVersion}")).AssertOk().Output;
    }

    [Fact]
    public async Task What_is_right_is_accepted() =>
        (await ground.KubectlAsync("create", "--dry-run=server", "--validate=false", "-f", Path.Combine(Corpus, "good"))).AssertOk();

    [Fact]
    public async Task What_a_schema_can_refuse_is_refused_by_any_server()
    {
        var run = await ground.KubectlAsync("create", "--dry-run=server", "--validate=false", "-f", Path.Combine(Corpus, "bad"));
        var wrong = new List<string>();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Corpus, "bad"), "*.yaml").Order(StringComparer.Ordinal))
        {
            var by = File.ReadLines(file).First()["# refused by: ".Length..];
            var isRefused = run.Error.Contains($"\"{file}\"", StringComparison.Ordinal);
            if (isRefused != (by == "schema" || (by == "cel" && ground.Server.Has(KubeFeature.Cel))))
                wrong.Add($"{Path.GetFileName(file)}, which is for {by} to refuse, was {(isRefused ? "refused" : "accepted")}");
        }
        Assert.True(wrong.Count == 0, string.Join("\n", wrong) + "\n" + run.Error);
    }

    [Fact]
    public async Task A_rule_says_what_would_be_right()
    {
        KubeNeed.Server(ground.Server, KubeFeature.Cel);
        var run = await ground.KubectlAsync("create", "--dry-run=server", "-f", Path.Combine(Corpus, "bad", "a-trigger-of-two-kinds.yaml"));
        Assert.Contains("needs exactly one of memoryUsage, timeToLimit, risingFloor, schedule", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_field_is_told()
    {
        KubeNeed.Server(ground.Server, KubeFeature.FieldValidation);
        var file = ground.Write("unknown.yaml", Policy.Replace("selector:", "tresholds: 3\n  selector:", StringComparison.Ordinal));
        Assert.Contains("unknown field \"spec.tresholds\"", (await ground.KubectlAsync("create", "--dry-run=server", "-f", file)).Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pp.spec.triggers", "What makes it capture. Each trigger has a name and exactly one kind.")]
    [InlineData("pp.spec.triggers.memoryUsage.threshold", "A share of the limit, like 85%, or a quantity, like 900Mi.")]
    [InlineData("cpp.spec.namespaceSelector", "In which namespaces, by their labels.")]
    [InlineData("pcap.spec", "It cannot be changed; make another one to capture again.")]
    [InlineData("pp.status.conditions", "StorageReachable (as the sidecars report it)")]
    public async Task Explain_reads_well(string path, string words)
    {
        // A new kind's schema is published a while after the kind is served.
        var told = await Eventually.Holds(() => ground.Server.KubectlAsync("explain", path), run => run.ExitCode == 0, $"{path} explained", TimeSpan.FromSeconds(60));
        var text = told.Output;
        Assert.Contains(words, string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_columns_tell_the_story()
    {
        var policy = Policy.Replace("name: checkout", "name: columns", StringComparison.Ordinal);
        (await ground.KubectlAsync("create", "-f", ground.Write("columns.yaml", policy))).AssertOk();
        await PatchStatusAsync("profilepolicies", "columns", """
            {"status": {"observedGeneration": 1, "matchedPods": 4, "injectedPods": 3, "captures": 7, "lastCaptureTime": "2026-01-01T00:00:00Z",
             "missedPods": [{"reason": "NotSeen", "count": 1, "examples": ["a"]}],
             "conditions": [{"type": "Ready", "status": "True", "reason": "Valid", "message": "valid", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}
            """);
        var rows = Rows((await ground.KubectlAsync("get", "pp", "columns")).AssertOk().Output);
        Assert.Equal(["NAME", "MATCHED", "INJECTED", "READY", "CAPTURES", "LAST", "AGE"], rows[0]);
        Assert.Equal(["columns", "4", "3", "True", "7"], rows[1][..5]);
        Assert.Equal(7, rows[1].Length);

        (await ground.KubectlAsync("create", "-f", ground.Write("capture.yaml", """
            apiVersion: premortem.dev/v1alpha1
            kind: ProfileCapture
            metadata: {name: told}
            spec: {podName: checkout-0, container: app, policy: checkout, trigger: near-limit}
            ---
            apiVersion: premortem.dev/v1alpha1
            kind: ProfileCapture
            metadata: {name: asked}
            spec: {podName: checkout-1}
            """))).AssertOk();
        await PatchStatusAsync("profilecaptures", "told", """
            {"status": {"phase": "Completed", "outcome": "OOMKilled", "memory": {"workingSet": "241Mi", "limit": "256Mi", "summary": "241Mi/256Mi"},
             "top": [{"name": "main.Leak", "flatBytes": 1, "flatPercent": "95.6"}, {"name": "main.Other"}], "location": "s3://profiles/x/",
             "artifacts": [{"type": "Heap", "key": "heap.pb.gz", "bytes": 3}]}}
            """);
        var captures = Rows((await ground.KubectlAsync("get", "pcap", "told")).AssertOk().Output);
        Assert.Equal(["NAME", "POD", "TRIGGER", "MEMORY", "TOP", "OUTCOME", "AGE"], captures[0]);
        Assert.Equal(["told", "checkout-0", "near-limit", "241Mi/256Mi", "main.Leak", "OOMKilled"], captures[1][..6]);
        Assert.Equal(["PHASE", "LOCATION", "AGE"], Rows((await ground.KubectlAsync("get", "pcap", "told", "-o", "wide")).AssertOk().Output)[0][^3..]);
        // Of one that has no status yet there is nothing to tell, and no error.
        Assert.Equal(["asked", "checkout-1"], Rows((await ground.KubectlAsync("get", "pcap", "asked")).AssertOk().Output)[1][..2]);
        Assert.Contains("told", (await ground.KubectlAsync("get", "premortem")).AssertOk().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Applied_twice_on_the_server_side_there_is_no_conflict_and_no_difference()
    {
        var file = ground.Write("apply.yaml", Policy.Replace("name: checkout", "name: applied", StringComparison.Ordinal));
        (await ground.KubectlAsync("apply", "--server-side", "-f", file)).AssertOk();
        var first = await ground.GetAsync("pp", "applied");
        Assert.Equal(
            ("10m", 3, 2, "/debug/pprof", 50),
            (Text(first, "limits", "cooldown"), first["spec"]!["limits"]!["maxPerDay"]!.GetValue<int>(),
                first["spec"]!["flightRecorder"]!["keep"]!.GetValue<int>(), Text(first, "go", "path"), first["spec"]!["historyLimit"]!.GetValue<int>()));
        (await ground.KubectlAsync("apply", "--server-side", "-f", file)).AssertOk();
        Assert.Equal(Version(first), Version(await ground.GetAsync("pp", "applied")));
        (await ground.KubectlAsync("diff", "--server-side", "-f", file)).AssertOk();

        // An old server takes a list of a kind of ours as one whole.
        if (!ground.Server.Has(KubeFeature.Cel))
            return;
        // Another hand adds a trigger of its own and leaves the first one's alone.
        var other = ground.Write("other.yaml", """
            apiVersion: premortem.dev/v1alpha1
            kind: ProfilePolicy
            metadata: {name: applied}
            spec:
              triggers: [{name: nightly, schedule: {cron: "0 3 * * *"}}]

            """);
        (await ground.KubectlAsync("apply", "--server-side", "--field-manager=other", "--validate=false", "-f", other)).AssertOk();
        Assert.Equal(3, (await ground.GetAsync("pp", "applied"))["spec"]!["triggers"]!.AsArray().Count);
    }

    [Fact]
    public async Task Applied_twice_on_the_client_side_nothing_changes()
    {
        var file = ground.Write("client.yaml", Policy.Replace("name: checkout", "name: client", StringComparison.Ordinal));
        (await ground.KubectlAsync("apply", "-f", file)).AssertOk();
        Assert.Contains("unchanged", (await ground.KubectlAsync("apply", "-f", file)).AssertOk().Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_read_can_be_written_back_unchanged()
    {
        (await ground.KubectlAsync("create", "-f", ground.Write("edit.yaml", Policy.Replace("name: checkout", "name: edited", StringComparison.Ordinal)))).AssertOk();
        var before = await ground.GetAsync("pp", "edited");
        (await ground.KubectlAsync("replace", "-f", ground.Write("edit.json", before.ToJsonString()))).AssertOk();
        var after = await ground.GetAsync("pp", "edited");
        Assert.Equal(Version(before), Version(after));
        Assert.True(JsonNode.DeepEquals(before["spec"], after["spec"]));
    }

    [Fact]
    public async Task A_status_changes_no_spec_and_a_spec_no_status()
    {
        (await ground.KubectlAsync("create", "-f", ground.Write("status.yaml", Policy.Replace("name: checkout", "name: status", StringComparison.Ordinal)))).AssertOk();
        await PatchStatusAsync("profilepolicies", "status", """{"status": {"matchedPods": 2}, "spec": {"historyLimit": 7}}""");
        (await ground.KubectlAsync("patch", "pp", "status", "--type=merge", "-p", """{"status": {"matchedPods": 9}}""")).AssertOk();
        var stored = await ground.GetAsync("pp", "status");
        Assert.Equal((2, 50, 1), (stored["status"]!["matchedPods"]!.GetValue<int>(), stored["spec"]!["historyLimit"]!.GetValue<int>(), stored["metadata"]!["generation"]!.GetValue<int>()));
    }

    [Fact]
    public async Task A_capture_once_made_is_not_changed()
    {
        KubeNeed.Server(ground.Server, KubeFeature.Cel);
        (await ground.KubectlAsync("create", "-f", ground.Write("fixed.yaml", """
            apiVersion: premortem.dev/v1alpha1
            kind: ProfileCapture
            metadata: {name: fixed}
            spec: {podName: checkout-0}
            """))).AssertOk();
        var run = await ground.KubectlAsync("patch", "pcap", "fixed", "--type=merge", "-p", """{"spec": {"podName": "checkout-1"}}""");
        Assert.Contains("a capture cannot be changed; create another one to capture again", run.Error, StringComparison.Ordinal);
    }

    private async Task PatchStatusAsync(string plural, string name, string patch) =>
        await ground.Server.Client.CustomObjects.PatchNamespacedCustomObjectStatusAsync(
            new V1Patch(patch, V1Patch.PatchType.MergePatch), "premortem.dev", "v1alpha1", ground.Namespace.Name, plural, name, cancellationToken: TestContext.Current.CancellationToken);

    private static string Text(JsonObject policy, string field, string name) => policy["spec"]![field]![name]!.GetValue<string>();

    private static string Version(JsonObject stored) => stored["metadata"]!["resourceVersion"]!.GetValue<string>();

    private static string[][] Rows(string table) =>
        [.. table.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(row => row.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))];
}
