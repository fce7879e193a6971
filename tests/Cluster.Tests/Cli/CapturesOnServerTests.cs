using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Premortem.Cluster.Tests.Crds;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Cli;

/// <summary>The native program asking a real API server through kubectl, with captures in a real bucket.</summary>
public sealed class CapturesOnServerTests(CrdTests.Ground ground) : IClassFixture<CrdTests.Ground>
{
    [Fact]
    public async Task The_columns_are_those_of_kubectl()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await CreateAsync(ns, "checkout-1", "s3://profiles/prod/x/");
        await CreateAsync(ns, "checkout-2", null);
        foreach (var wide in new[] { false, true })
        {
            string[] format = wide ? ["-o", "wide"] : [];
            var theirs = (await ground.Server.KubectlAsync(["get", "pcap", "-n", ns.Name, .. format])).AssertOk();
            var ours = (await RunAsync(["captures", "-n", ns.Name, .. format])).AssertOk();

            Assert.Equal(WithoutAges(theirs.Output), WithoutAges(ours.Output));
        }
    }

    [Fact]
    public async Task Selectors_choose_and_json_is_the_objects_themselves()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await CreateAsync(ns, "checkout-1", "s3://profiles/prod/x/");
        await CreateAsync(ns, "billing-1", null, pod: "billing");

        Assert.Equal(["profilecapture.premortem.dev/billing-1"], (await RunAsync("captures", "-n", ns.Name, "--pod", "billing", "-o", "name")).AssertOk().Lines);
        Assert.Equal(["profilecapture.premortem.dev/checkout-1"], (await RunAsync("captures", "-n", ns.Name, "-l", "pod=checkout", "-o", "name")).AssertOk().Lines);
        // What fired in March is old by now.
        Assert.Empty((await RunAsync("captures", "-n", ns.Name, "--since", "1h", "--pod", "checkout", "-o", "name")).AssertOk().Lines);
        Assert.Contains($"{ns.Name} ", (await RunAsync("captures", "-A")).AssertOk().Output, StringComparison.Ordinal);

        var list = JsonNode.Parse((await RunAsync("captures", "-n", ns.Name, "-o", "json")).AssertOk().Output)!;
        var theirs = JsonNode.Parse((await ground.Server.KubectlAsync("get", "pcap", "checkout-1", "-n", ns.Name, "-o", "json")).AssertOk().Output)!;
        Assert.True(JsonNode.DeepEquals(theirs, list["items"]!.AsArray().Single(item => (string?)item!["metadata"]!["name"] == "checkout-1")));
        // What YAML says is what JSON says: kubectl reads it back as the same object.
        var yaml = (await RunAsync("captures", "-n", ns.Name, "--pod", "checkout", "-o", "yaml")).AssertOk().Output;
        await using var file = new FileStream(ground.Folder.File("captures.yaml"), FileMode.Create);
        await file.WriteAsync(System.Text.Encoding.UTF8.GetBytes(yaml));
        await file.FlushAsync();
        var read = (await ground.Server.KubectlAsync("create", "--dry-run=client", "-o", "json", "-n", ns.Name, "-f", file.Name)).AssertOk();
        Assert.True(JsonNode.DeepEquals(theirs["status"], JsonNode.Parse(read.Output)!["status"]), read.Output);
    }

    [Fact]
    public async Task A_shell_completes_the_names_of_captures_and_namespaces()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await CreateAsync(ns, "checkout-1", null);
        await CreateAsync(ns, "cart-1", null);
        var cluster = $"--kubectl {KubeAssets.Kubectl} --kubeconfig {ground.Server.AdminKubeconfig}";

        Assert.Equal(["checkout-1"], (await PremortemProgram.RunAsync(None, "[suggest]", $"premortem fetch {cluster} -n {ns.Name} ch")).AssertOk().Lines);
        Assert.Contains(ns.Name, (await PremortemProgram.RunAsync(None, "[suggest]", $"premortem captures {cluster} -n {ns.Name[..3]}")).AssertOk().Lines);
    }

    [Fact]
    public async Task Watching_prints_what_comes()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await CreateAsync(ns, "checkout-1", null);
        await using var watching = ChildProcess.Start(
            PremortemProgram.Path, ["captures", "-n", ns.Name, "--watch", "--kubectl", KubeAssets.Kubectl, "--kubeconfig", ground.Server.AdminKubeconfig]);
        await watching.WaitForLineAsync("checkout-1", TimeSpan.FromSeconds(30));

        await CreateAsync(ns, "checkout-2", null);

        await watching.WaitForLineAsync("checkout-2", TimeSpan.FromSeconds(30));
        Assert.False(watching.HasExited);
    }

    [Fact]
    public async Task Who_may_not_list_is_told_which_right_is_missing()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        var kubeconfig = await ground.Server.KubeconfigForAsync(ns.Name, "nobody");

        var listed = await PremortemProgram.RunAsync(None, "captures", "-n", ns.Name, "--kubectl", KubeAssets.Kubectl, "--kubeconfig", kubeconfig);

        Assert.Equal(1, listed.ExitCode);
        Assert.Contains($"you may not list profilecaptures.premortem.dev in the namespace {ns.Name}", listed.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cluster_without_premortem_is_told_as_that()
    {
        await using var server = await KubeApiServer.StartAsync();

        var listed = await PremortemProgram.RunAsync(None, "captures", "--kubectl", KubeAssets.Kubectl, "--kubeconfig", server.AdminKubeconfig);

        Assert.Equal(1, listed.ExitCode);
        Assert.Contains("Premortem is not installed", listed.Errors, StringComparison.Ordinal);
        await server.StopApiServerAsync();
        var gone = await PremortemProgram.RunAsync(None, "captures", "--kubectl", KubeAssets.Kubectl, "--kubeconfig", server.AdminKubeconfig);
        Assert.Equal(1, gone.ExitCode);
        Assert.StartsWith("premortem: kubectl: ", gone.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_capture_is_fetched_by_its_name_alone()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await using var bucket = await S3Server.NewBucketAsync();
        var capture = CaptureInStore.Of("9d3f0a51c2e7", ("heap.pb.gz", "a heap"u8.ToArray()), ("memory.csv", "a,b\n"u8.ToArray()));
        await capture.PutAsync(bucket, "prod");
        await CreateAsync(ns, "checkout-1", $"s3://{bucket.Name}/prod/{capture.Record.Folder}");
        await ground.Server.ApplyAsync(
            $$"""
            apiVersion: premortem.dev/v1alpha1
            kind: ProfilePolicy
            metadata: {name: checkout}
            spec:
              selector: {}
              triggers: [{name: near-limit, memoryUsage: {threshold: 85%} }]
              storage:
                s3: {bucket: {{bucket.Name}}, prefix: prod, endpoint: "{{bucket.Server.Endpoint.AbsoluteUri.TrimEnd('/')}}", forcePathStyle: true, credentialsSecret: s3-credentials}
            ---
            apiVersion: v1
            kind: Secret
            metadata: {name: s3-credentials}
            stringData: {accessKeyId: "{{bucket.Server.AccessKey}}", secretAccessKey: "{{bucket.Server.SecretKey}}"}
            """,
            ns.Name);
        var own = new Dictionary<string, string?> { ["AWS_ACCESS_KEY_ID"] = bucket.Server.AccessKey, ["AWS_SECRET_ACCESS_KEY"] = bucket.Server.SecretKey };
        string[] fetch = ["fetch", "checkout-1", "-n", ns.Name, "--kubectl", KubeAssets.Kubectl, "--kubeconfig", ground.Server.AdminKubeconfig];

        (await PremortemProgram.RunAsync(own, [.. fetch, "-o", ground.Folder.File("own")])).AssertOk();
        Assert.Equal("a heap", await File.ReadAllTextAsync(Path.Combine(ground.Folder.File("own"), "heap.pb.gz")));

        // The Secret is read only when that is asked for.
        var without = await PremortemProgram.RunAsync(None, [.. fetch, "-o", ground.Folder.File("none")]);
        Assert.Equal(1, without.ExitCode);
        Assert.Contains("no S3 credentials found", without.Errors, StringComparison.Ordinal);
        (await PremortemProgram.RunAsync(None, [.. fetch, "--credentials-from-secret", "-o", ground.Folder.File("secret")])).AssertOk();
        Assert.Equal("a heap", await File.ReadAllTextAsync(Path.Combine(ground.Folder.File("secret"), "heap.pb.gz")));
    }

    [Fact]
    public async Task A_capture_that_is_not_there_and_one_that_is_not_stored_are_told_apart()
    {
        await using var ns = await ground.Server.NewNamespaceAsync();
        await CreateAsync(ns, "checkout-1", null);

        var missing = await RunAsync("fetch", "checkout-9", "-n", ns.Name);
        var waiting = await RunAsync("fetch", "checkout-1", "-n", ns.Name);

        Assert.Equal((1, 1), (missing.ExitCode, waiting.ExitCode));
        Assert.Contains($"there is no ProfileCapture 'checkout-9' in the namespace {ns.Name}", missing.Errors, StringComparison.Ordinal);
        Assert.Contains("checkout-1 is not stored yet (phase Partial)", waiting.Errors, StringComparison.Ordinal);
    }

    private static IReadOnlyDictionary<string, string?> None => new Dictionary<string, string?>();

    private static string[] WithoutAges(string table) =>
        [.. table.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[..^1]))];

    private Task<PremortemRun> RunAsync(params string[] arguments) =>
        PremortemProgram.RunAsync(None, [.. arguments, "--kubectl", KubeAssets.Kubectl, "--kubeconfig", ground.Server.AdminKubeconfig]);

    private async Task CreateAsync(KubeNamespace ns, string name, string? location, string pod = "checkout")
    {
        await ground.Server.ApplyAsync(
            $$"""
            apiVersion: premortem.dev/v1alpha1
            kind: ProfileCapture
            metadata: {name: {{name}}, labels: {pod: {{pod}} } }
            spec: {podName: {{pod}}, container: app, policy: checkout, trigger: oom-ahead}
            """,
            ns.Name);
        var status = new JsonObject
        {
            ["phase"] = "Partial",
            ["startedAt"] = "2026-03-01T12:05:09Z",
            ["outcome"] = "OOMKilled",
            ["outcomeReason"] = "it said: \"no\", # and\nmore: yes",
            ["captureId"] = "0123",
            ["memory"] = new JsonObject { ["workingSet"] = "241Mi", ["limit"] = "256Mi", ["summary"] = "241Mi/256Mi (94%)" },
            ["top"] = new JsonArray(new JsonObject { ["name"] = "main.(*Cache).Add", ["flatBytes"] = 5, ["flatPercent"] = "97.5" }),
        };
        if (location is not null)
            status["location"] = location;
        await ground.Server.Client.CustomObjects.PatchNamespacedCustomObjectStatusAsync(
            new V1Patch(new JsonObject { ["status"] = status }.ToJsonString(), V1Patch.PatchType.MergePatch), "premortem.dev", "v1alpha1", ns.Name, "profilecaptures", name);
    }
}
