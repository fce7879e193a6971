using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Chart;

/// <summary>helm's whole life on a real API server, of these tests' own: what the chart makes is the cluster's.</summary>
public sealed partial class ChartOnServerTests
{
    private const string Home = "premortem-system";
    private static readonly string[] s_release = ["premortem", RenderedChart.Folder, "--namespace", Home];

    /// <param name="how">helm 4's way by itself is server-side apply; the other one is helm 3's.</param>
    [Theory]
    [InlineData("server-side")]
    [InlineData("client-side")]
    public async Task Installed_it_can_be_upgraded_without_losing_what_the_operator_wrote_and_uninstalled_without_a_trace_but_the_CRDs(string how)
    {
        await using var server = await KubeApiServer.StartAsync(new KubeApiServerOptions { Controllers = KubeAssets.KubeControllerManager is not null });
        await server.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new V1ObjectMeta { Name = Home, Labels = new Dictionary<string, string> { ["pod-security.kubernetes.io/enforce"] = "restricted" } } });
        var before = await EverythingAsync(server);

        // A server before 1.25 does not know CEL rules, and refuses to apply what it does not know.
        string[] flags = how == "client-side" ? ["--server-side=false"] : server.Has(KubeFeature.Cel) ? [] : ["--skip-crds"];
        (await server.HelmAsync(["install", .. s_release, .. flags])).AssertOk();
        // As the operator does it, and with its rights alone.
        using (var op = await server.ClientForAsync(Home, "premortem"))
        {
            await op.CoreV1.PatchNamespacedSecretAsync(
                Patch("""{"data": {"tls.crt": "Y2VydGlmaWNhdGU=", "tls.key": "a2V5", "ca.crt": "YnVuZGxl"}}"""), "premortem-ca", Home);
            foreach (var kind in new[] { "mutatingwebhookconfigurations", "validatingwebhookconfigurations" })
                await PatchBundleAsync(op, kind, Bundle("one"));
            var lease = await op.CoordinationV1.ReadNamespacedLeaseAsync("premortem", Home);
            lease.Spec = new V1LeaseSpec { HolderIdentity = "pod-1", LeaseDurationSeconds = 15 };
            await op.CoordinationV1.ReplaceNamespacedLeaseAsync(lease, "premortem", Home);
        }

        // Twice: what the first upgrade says of a field must not bind the second.
        foreach (var (bundle, level) in new[] { ("one", "Debug"), ("two", "Warning") })
        {
            using (var op = await server.ClientForAsync(Home, "premortem"))
                foreach (var kind in new[] { "mutatingwebhookconfigurations", "validatingwebhookconfigurations" })
                    await PatchBundleAsync(op, kind, Bundle(bundle));
            (await server.HelmAsync(["upgrade", .. s_release, "--set", $"logLevel={level}", "--set", "webhooks.timeoutSeconds=4"])).AssertOk();
            Assert.Contains($"logLevel: {level}", (await server.Client.CoreV1.ReadNamespacedConfigMapAsync("premortem", Home)).Data["config.yaml"], StringComparison.Ordinal);
            var injecting = Assert.Single((await server.Client.AdmissionregistrationV1.ReadMutatingWebhookConfigurationAsync("premortem")).Webhooks);
            Assert.Equal(4, injecting.TimeoutSeconds);
            Assert.Equal(Bundle(bundle), Encoding.UTF8.GetString(injecting.ClientConfig.CaBundle));
            var validating = Assert.Single((await server.Client.AdmissionregistrationV1.ReadValidatingWebhookConfigurationAsync("premortem")).Webhooks);
            Assert.Equal(Bundle(bundle), Encoding.UTF8.GetString(validating.ClientConfig.CaBundle));
            Assert.Equal("key", Encoding.UTF8.GetString((await server.Client.CoreV1.ReadNamespacedSecretAsync("premortem-ca", Home)).Data["tls.key"]));
            Assert.Equal("pod-1", (await server.Client.CoordinationV1.ReadNamespacedLeaseAsync("premortem", Home)).Spec.HolderIdentity);
        }

        (await server.HelmAsync("uninstall", "premortem", "--namespace", Home, "--wait=false")).AssertOk();
        await Eventually.Holds(
            async () => string.Join(", ", (await EverythingAsync(server)).Except(before).Order()),
            left => left.Length == 0,
            "what is left after helm uninstall",
            TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task A_server_takes_every_object_of_it_without_a_field_left_over()
    {
        await using var server = await KubeApiServer.StartAsync();
        KubeNeed.Server(server, KubeFeature.FieldValidation);
        await server.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new V1ObjectMeta { Name = Home } });
        var chart = await RenderedChart.WithAsync(server.Version.ToString());
        await server.ApplyStrictlyAsync(string.Join("\n---\n", chart.Manifests.Select(manifest => manifest.ToJsonString())));
    }

    [Fact]
    public async Task Who_may_edit_a_namespace_may_ask_for_captures_there_and_who_may_view_it_may_not()
    {
        await using var server = await KubeApiServer.StartAsync(new KubeApiServerOptions { Controllers = KubeAssets.KubeControllerManager is not null });
        // Roles of the cluster take in others by a controller.
        KubeNeed.Controllers();
        (await server.HelmAsync(["install", .. s_release, "--create-namespace", .. server.Has(KubeFeature.Cel) ? Array.Empty<string>() : ["--server-side=false"]])).AssertOk();
        await server.ApplyAsync(
            """
            apiVersion: v1
            kind: Namespace
            metadata: {name: shop}
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {name: edit, namespace: shop}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
            subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: editor}]
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {name: view, namespace: shop}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
            subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: viewer}]
            """);
        await Eventually.IsTrueAsync(() => MayAsync("editor", "create", "profilecaptures.premortem.dev"), "an editor's right to capture", TimeSpan.FromSeconds(30));
        await Eventually.IsTrueAsync(() => MayAsync("viewer", "list", "profilecaptures.premortem.dev"), "a viewer's right to look", TimeSpan.FromSeconds(30));
        Assert.False(await MayAsync("viewer", "create", "profilecaptures.premortem.dev"));
        Assert.True(await MayAsync("editor", "update", "profilepolicies.premortem.dev"));
        Assert.False(await MayAsync("editor", "create", "clusterprofilepolicies.premortem.dev"));

        async Task<bool> MayAsync(string user, string verb, string resource) =>
            (await server.KubectlAsync("auth", "can-i", verb, resource, "--as", user, "--namespace", "shop")).Output.Trim() == "yes";
    }

    private static string Bundle(string name) => $"-----BEGIN CERTIFICATE-----\n{Certificates.Value[name]}\n-----END CERTIFICATE-----\n";

    // The server parses what it is to trust.
    private static readonly Lazy<Dictionary<string, string>> Certificates = new(() => new[] { "one", "two" }.ToDictionary(name => name, name =>
    {
        using var pki = new KubePki(name);
        return pki.CaBundle.Replace("-----BEGIN CERTIFICATE-----", "", StringComparison.Ordinal).Replace("-----END CERTIFICATE-----", "", StringComparison.Ordinal).Trim();
    }));

    private static async Task PatchBundleAsync(Kubernetes client, string kind, string bundle)
    {
        var patch = new V1Patch(
            new JsonArray(new JsonObject { ["op"] = "add", ["path"] = "/webhooks/0/clientConfig/caBundle", ["value"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(bundle)) }).ToJsonString(),
            V1Patch.PatchType.JsonPatch);
        if (kind.StartsWith("mutating", StringComparison.Ordinal))
            await client.AdmissionregistrationV1.PatchMutatingWebhookConfigurationAsync(patch, "premortem");
        else
            await client.AdmissionregistrationV1.PatchValidatingWebhookConfigurationAsync(patch, "premortem");
    }

    private static V1Patch Patch(string json) => new(json, V1Patch.PatchType.MergePatch);

    /// <summary>
    /// Every object of every kind that the server can list, where it is the release's by its name or namespace. Events come and go, the CRDs are to stay, and what a
    /// namespace is given by the cluster is the cluster's.
    /// </summary>
    private static async Task<HashSet<string>> EverythingAsync(KubeApiServer server)
    {
        var kinds = (await server.KubectlAsync("api-resources", "--verbs=list", "--output=name")).AssertOk().Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(kind => kind is not ("events" or "events.events.k8s.io" or "componentstatuses" or "customresourcedefinitions.apiextensions.k8s.io" or "apiservices.apiregistration.k8s.io"));
        var found = (await server.KubectlAsync("get", string.Join(',', kinds), "--all-namespaces", "--output=jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{\"\\n\"}{end}")).AssertOk().Output;
        return [.. found.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(item => item.Contains("premortem", StringComparison.Ordinal) && !GivenByTheCluster().IsMatch(item))];
    }

    [GeneratedRegex("/(default|default-token-.*|kube-root-ca[.]crt)$")]
    private static partial Regex GivenByTheCluster();
}
