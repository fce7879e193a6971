using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Premortem.Operator.Hosting;
using Premortem.Operator.Tests.Injection;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Chart;

public sealed partial class ChartTests
{
    public static TheoryData<string, string> Versions { get; } = new(
        from version in new[] { "1.20", "1.29", "1.36" }
        from values in new[] { "default", "all on" }
        select (version, values));

    [Theory]
    [InlineData("default")]
    [InlineData("all on")]
    public async Task Helm_finds_nothing_to_complain_of(string values) => (await KubeCommand.HelmAsync(["lint", "--strict", RenderedChart.Folder, .. Values(values)])).AssertOk();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task What_it_renders_are_objects_that_Kubernetes_knows_without_a_field_that_it_does_not(string version, string values)
    {
        var chart = await RenderedChart.WithAsync(version, Values(values));
        foreach (var budget in chart.Of("PodDisruptionBudget"))
        {
            Assert.Equal(version == "1.20" ? "policy/v1beta1" : "policy/v1", budget.ApiVersion());
            // The same fields, under a name that newer clients have forgotten.
            budget["apiVersion"] = "policy/v1";
        }
        var others = chart.Manifests.Where(manifest => !manifest.IsBuiltIn()).Select(manifest => $"{manifest.ApiVersion()} {manifest.Kind()}").Distinct().Order();
        Assert.Equal(
            values == "default" ? [] : ["cert-manager.io/v1 Certificate", "cert-manager.io/v1 Issuer", "monitoring.coreos.com/v1 PrometheusRule", "monitoring.coreos.com/v1 ServiceMonitor"],
            others);
        Assert.Empty(chart.Manifests.Where(KubeManifests.IsBuiltIn).SelectMany(KubeManifests.Problems));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Nothing_is_granted_by_a_wildcard_and_no_Secret_but_its_own(string version, string values)
    {
        var chart = await RenderedChart.WithAsync(version, Values(values));
        var rules = chart.Rules("ClusterRole").Concat(chart.Rules("Role")).ToList();
        Assert.All(rules, rule => Assert.DoesNotContain("*", rule.Groups.Concat(rule.Resources).Concat(rule.Verbs)));
        Assert.All(chart.Rules("ClusterRole"), rule => Assert.DoesNotContain("secrets", rule.Resources));
        Assert.All(chart.Rules("Role").Where(rule => rule.Resources.Contains("secrets")), rule => Assert.Equal(["premortem-ca"], rule.Names));
        Assert.All(rules.Where(rule => rule.Groups.Contains("admissionregistration.k8s.io")), rule => Assert.Equal(["premortem"], rule.Names));
        string[] grave = ["escalate", "bind", "impersonate", "deletecollection"];
        Assert.All(rules.Where(rule => rule.Role == "premortem"), rule => Assert.Empty(rule.Verbs.Intersect(grave)));
        Assert.All(rules.Where(rule => rule.Role == "premortem"), rule => Assert.Empty(rule.Resources.Intersect(["pods/exec", "pods/ephemeralcontainers", "serviceaccounts/token", "nodes/proxy"])));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Its_own_pods_conform_to_the_restricted_standard_and_are_not_injected(string version, string values)
    {
        var chart = await RenderedChart.WithAsync(version, Values(values));
        JsonObject[] pods = [chart.One("Deployment")["spec"]!["template"]!.AsObject(), chart.One("Pod", "premortem-check")];
        foreach (var pod in pods)
        {
            Assert.Empty(PodSecurity.Restricted(pod));
            Assert.Equal("false", pod["metadata"]!["annotations"]!["premortem.dev/inject"]!.GetValue<string>());
            var container = Assert.Single(pod["spec"]!["containers"]!.AsArray())!;
            Assert.True(container["securityContext"]!["readOnlyRootFilesystem"]!.GetValue<bool>());
            Assert.NotNull(container["resources"]!["limits"]!["memory"]);
        }
    }

    [Fact]
    public async Task A_failing_operator_blocks_no_pod_and_is_asked_for_none_of_the_system_s()
    {
        var chart = await RenderedChart.WithAsync("1.36", "--set", "excludedNamespaces={monitoring}");
        var webhook = Assert.Single(chart.One("MutatingWebhookConfiguration")["webhooks"]!.AsArray())!;
        Assert.Equal("Ignore", webhook["failurePolicy"]!.GetValue<string>());
        Assert.Equal(2, webhook["timeoutSeconds"]!.GetValue<int>());
        Assert.Null(webhook["clientConfig"]!["caBundle"]);
        var names = webhook["namespaceSelector"]!["matchExpressions"]!.AsArray().Single(expression => expression!["key"]!.GetValue<string>() == "kubernetes.io/metadata.name")!;
        Assert.Equal("NotIn", names["operator"]!.GetValue<string>());
        Assert.Equal(
            ["kube-system", "kube-public", "kube-node-lease", "premortem-system", "monitoring"],
            names["values"]!.AsArray().Select(name => name!.GetValue<string>()));
        Assert.All(chart.One("ValidatingWebhookConfiguration")["webhooks"]!.AsArray(), validating => Assert.Equal("Ignore", validating!["failurePolicy"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("1.20", false)]
    [InlineData("1.27", false)]
    [InlineData("1.28", true)]
    [InlineData("1.36", true)]
    public async Task Match_conditions_are_for_servers_that_have_them(string version, bool has)
    {
        var chart = await RenderedChart.WithAsync(version);
        Assert.Equal(has, chart.One("MutatingWebhookConfiguration")["webhooks"]![0]!["matchConditions"] is not null);
    }

    [Fact]
    public async Task Images_are_named_by_registry_tag_and_digest()
    {
        var chart = await RenderedChart.WithAsync("1.36", "--values", RenderedChart.AllOn);
        Assert.Equal(
            "registry.example.com/tools/premortem-operator@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            chart.One("Deployment")["spec"]!["template"]!["spec"]!["containers"]![0]!["image"]!.GetValue<string>());
        Assert.Equal("registry.example.com/tools/premortem-sidecar:1.2.3", Assert.Single(KubeManifests.Read(chart.One("ConfigMap")["data"]!["config.yaml"]!.GetValue<string>()))["sidecarImage"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("image.tga=1", "'/image'")]
    [InlineData("replicas=many", "'/replicas'")]
    [InlineData("image.digest=abc", "'/image/digest'")]
    [InlineData("sidecar.native=Sometimes", "'/sidecar/native'")]
    [InlineData("webhooks.timeoutSeconds=31", "'/webhooks/timeoutSeconds'")]
    [InlineData("config.workesr=3", "'/config'")]
    [InlineData("excludedNamespaces={Shop}", "'/excludedNamespaces/0'")]
    [InlineData("resources.limits.memory=lots", "'/resources/limits/memory'")]
    [InlineData("certificates.mode=magic", "'/certificates/mode'")]
    public async Task A_bad_value_is_refused_with_its_path(string value, string path)
    {
        var rendering = await KubeCommand.HelmAsync("template", "premortem", RenderedChart.Folder, "--set", value);
        Assert.NotEqual(0, rendering.ExitCode);
        Assert.Contains($"at {path}", rendering.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_value_is_commented_described_and_in_the_readme()
    {
        var lines = await File.ReadAllLinesAsync(Path.Combine(RenderedChart.Folder, "values.yaml"));
        var schema = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(RenderedChart.Folder, "values.schema.json")))!.AsObject();
        var readme = await File.ReadAllTextAsync(Path.Combine(RenderedChart.Folder, "README.md"));
        var values = Assert.Single(KubeManifests.Read(string.Join('\n', lines)));
        foreach (var (path, description) in Leaves(values, schema, schema, ""))
        {
            Assert.True(description.Length > 0, $"{path} has no description in the schema");
            Assert.Contains($"| `{path}` |", readme, StringComparison.Ordinal);
        }
        // One comment may be for two values that belong together.
        for (var i = 1; i < lines.Length; i++)
        {
            if (lines[i].Length == 0 || lines[i].TrimStart().StartsWith('#') || lines[i].EndsWith("enabled: true", StringComparison.Ordinal))
                continue;
            Assert.True(lines[i].EndsWith(':') || lines[..i].TakeLast(3).Any(line => line.TrimStart().StartsWith('#')), $"values.yaml, line {i + 1}: no comment");
        }
    }

    [Fact]
    public async Task The_CRDs_of_the_chart_are_those_of_the_repository()
    {
        var theirs = Directory.GetFiles(Repository.Path("crds"), "*.yaml").Select(file => Path.GetFileName(file)).Order().ToList();
        Assert.Equal(3, theirs.Count);
        Assert.Equal(theirs, Directory.GetFiles(Path.Combine(RenderedChart.Folder, "crds")).Select(file => Path.GetFileName(file)).Order());
        foreach (var name in theirs)
            Assert.True(
                await File.ReadAllTextAsync(Repository.Path("crds", name)) == await File.ReadAllTextAsync(Path.Combine(RenderedChart.Folder, "crds", name)),
                $"{name} differs: run eng/crds");
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task What_the_operator_needs_is_granted(string version, string values)
    {
        var chart = await RenderedChart.WithAsync(version, Values(values));
        var options = new OperatorOptions { CertificateMode = values == "default" ? CertificateMode.Operator : CertificateMode.Files };
        var everywhere = chart.Rules("ClusterRole").Where(rule => rule.Role == "premortem").ToList();
        var home = everywhere.Concat(chart.Rules("Role")).ToList();
        Assert.All(RequiredRight.For(options), right => Assert.Contains(right.IsHome ? home : everywhere, rule =>
            rule.Groups.Contains(right.Group)
            && rule.Resources.Contains(right.SubResource is null ? right.Resource : $"{right.Resource}/{right.SubResource}")
            && rule.Verbs.Contains(right.Verb)
            && (rule.Names is [] || (right.Name is not null && rule.Names.Contains(right.Name)) || (right.Resource == "leases" && rule.Names.Contains("premortem")))));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task The_operator_understands_its_configuration(string version, string values)
    {
        var chart = await RenderedChart.WithAsync(version, Values(values));
        using var folder = new TemporaryFolder();
        var file = folder.File("config.yaml");
        await File.WriteAllTextAsync(file, chart.One("ConfigMap")["data"]!["config.yaml"]!.GetValue<string>());
        var reading = OptionsReader.Read(new Dictionary<string, string>(), new Dictionary<string, string>(), file);
        Assert.Empty(reading.Errors);
        Assert.Equal(values == "default" ? "premortem-sidecar:0.1.0" : "registry.example.com/tools/premortem-sidecar:1.2.3", reading.Options.SidecarImage);
        Assert.Equal(values == "default" ? NativeSidecarMode.Auto : NativeSidecarMode.Never, reading.Options.NativeSidecars);
        if (values != "default")
        {
            Assert.Equal(["monitoring", "kube-public"], reading.Options.ExcludedNamespaces);
            Assert.Equal(100, reading.Options.SettingsRate);
            Assert.Equal("128Mi", reading.Options.SidecarResources!["limits"]!["memory"]!.GetValue<string>());
            Assert.Equal(CertificateMode.Files, reading.Options.CertificateMode);
            var mount = chart.One("Deployment")["spec"]!["template"]!["spec"]!["containers"]![0]!["volumeMounts"]!.AsArray().Single(mount => mount!["name"]!.GetValue<string>() == "tls")!;
            Assert.Equal(reading.Options.CertificateDirectory, mount["mountPath"]!.GetValue<string>());
        }
    }

    [Fact]
    public void The_options_that_may_be_set_further_are_the_operator_s()
    {
        var schema = JsonNode.Parse(File.ReadAllText(Path.Combine(RenderedChart.Folder, "values.schema.json")))!;
        Assert.All(schema["properties"]!["config"]!["properties"]!.AsObject(), property => Assert.Contains(OptionKeys.All, key => key.Field == property.Key));
    }

    [Fact]
    public async Task Alerts_and_dashboard_ask_for_metrics_that_there_are()
    {
        var chart = await RenderedChart.WithAsync("1.36", "--values", RenderedChart.AllOn);
        var reference = await File.ReadAllTextAsync(Repository.Path("docs", "reference", "metrics.md"));
        var asked = Metric().Matches(chart.One("PrometheusRule").ToJsonString() + chart.One("ConfigMap", "premortem-dashboard").ToJsonString())
            .Select(match => Part().Replace(match.Value, "")).ToHashSet();
        Assert.Contains("premortem_oom_kills_total", asked);
        Assert.All(asked, metric => Assert.Contains(metric, reference, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_dashboard_is_JSON_with_panels_of_their_own_ids_that_do_not_overlap()
    {
        var dashboard = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(RenderedChart.Folder, "dashboards", "premortem.json")))!;
        var panels = dashboard["panels"]!.AsArray();
        Assert.Equal(panels.Count, panels.Select(panel => panel!["id"]!.GetValue<int>()).Distinct().Count());
        var cells = panels.SelectMany(panel =>
            from x in Enumerable.Range(Grid(panel!, "x"), Grid(panel!, "w"))
            from y in Enumerable.Range(Grid(panel!, "y"), Grid(panel!, "h"))
            select (x, y)).ToList();
        Assert.Equal(cells.Count, cells.Distinct().Count());
        Assert.All(cells, cell => Assert.InRange(cell.x, 0, 23));

        static int Grid(JsonNode panel, string name) => panel["gridPos"]![name]!.GetValue<int>();
    }

    private static string[] Values(string which) => which == "default" ? [] : ["--values", RenderedChart.AllOn];

    private static IEnumerable<(string Path, string Description)> Leaves(JsonObject values, JsonObject node, JsonObject schema, string path)
    {
        foreach (var (name, value) in values)
        {
            var of = node["properties"]![name]!.AsObject();
            var description = of["description"]?.GetValue<string>() ?? "";
            var definition = of["$ref"] is { } reference ? schema["definitions"]![reference.GetValue<string>().Split('/')[^1]]!.AsObject() : of;
            if (value is JsonObject { Count: > 0 } group && definition["properties"] is not null && name != "resources")
                foreach (var leaf in Leaves(group, definition, schema, path + name + "."))
                    yield return leaf;
            else
                yield return (path + name, description);
        }
    }

    [GeneratedRegex("premortem_[a-z_]+")]
    private static partial Regex Metric();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Part();
}
