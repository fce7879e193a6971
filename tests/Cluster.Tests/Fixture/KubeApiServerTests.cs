using System.Net;
using k8s;
using k8s.Autorest;
using k8s.Models;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.Fixture;

public sealed class KubeApiServerTests
{
    private const string Audience = "premortem.dev";

    [Fact]
    public async Task It_stores_a_pod_that_names_its_service_account_and_one_that_names_none()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        await server.Client.CoreV1.CreateNamespacedPodAsync(Pod("plain", null), ns.Name);
        var stored = await server.Client.CoreV1.ReadNamespacedPodAsync("plain", ns.Name);
        Assert.Equal("app", Assert.Single(stored.Spec.Containers).Name);
        Assert.Equal(1, server.Version.Major);
        Assert.InRange(server.Version.Minor, 20, 99);
    }

    [Fact]
    public async Task A_service_account_may_do_what_a_role_says_and_nothing_else()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        using var client = await server.ClientForAsync(ns.Name, "reader");
        var denied = await Assert.ThrowsAsync<HttpOperationException>(() => client.CoreV1.ListNamespacedPodAsync(ns.Name));
        Assert.Equal(HttpStatusCode.Forbidden, denied.Response.StatusCode);

        await server.ApplyAsync(
            """
            apiVersion: rbac.authorization.k8s.io/v1
            kind: Role
            metadata: {name: reader}
            rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {name: reader}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
            subjects: [{kind: ServiceAccount, name: reader}]
            """,
            ns.Name);
        await Eventually.Holds(
            async () =>
            {
                try
                {
                    return (await client.CoreV1.ListNamespacedPodAsync(ns.Name)).Items.Count;
                }
                catch (HttpOperationException e) when (e.Response.StatusCode == HttpStatusCode.Forbidden)
                {
                    return -1;
                }
            },
            count => count == 0,
            "the right to list pods");
        denied = await Assert.ThrowsAsync<HttpOperationException>(() => client.CoreV1.ListNamespacedSecretAsync(ns.Name));
        Assert.Equal(HttpStatusCode.Forbidden, denied.Response.StatusCode);
    }

    [Fact]
    public async Task A_kubeconfig_of_a_service_account_works_with_kubectl()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        var kubeconfig = await server.KubeconfigForAsync(ns.Name, "somebody");
        var answer = await server.KubectlAsync("--kubeconfig", kubeconfig, "auth", "can-i", "get", "secrets");
        Assert.Equal("no", answer.Output.Trim());
        Assert.Equal(1, answer.ExitCode);
        Assert.Contains("somebody", (await server.KubectlAsync("--kubeconfig", kubeconfig, "get", "pods")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_bound_to_a_pod_tells_the_pod_and_ends_with_it()
    {
        var server = await KubeApiServer.SharedAsync();
        await using var ns = await server.NewNamespaceAsync();
        await server.TokenAsync(ns.Name, "app");
        var pod = await server.Client.CoreV1.CreateNamespacedPodAsync(Pod("bound", "app"), ns.Name);
        var token = await server.TokenAsync(ns.Name, "app", Audience, pod);

        var review = await ReviewAsync(server, token, Audience);
        Assert.True(review.Authenticated);
        Assert.Equal([pod.Name()], review.User.Extra["authentication.kubernetes.io/pod-name"]);
        Assert.Equal([pod.Uid()], review.User.Extra["authentication.kubernetes.io/pod-uid"]);
        Assert.NotEqual(true, (await ReviewAsync(server, token, "somebody.else")).Authenticated);

        await server.Client.CoreV1.DeleteNamespacedPodAsync("bound", ns.Name, gracePeriodSeconds: 0);
        // What was reviewed is remembered for some seconds.
        await Eventually.IsTrueAsync(async () => (await ReviewAsync(server, token, Audience)).Authenticated != true, "the token's end", TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_restart_keeps_what_is_stored_and_the_port()
    {
        await using var server = await KubeApiServer.StartAsync();
        var url = server.Url;
        await server.Client.CoreV1.CreateNamespacedConfigMapAsync(new V1ConfigMap { Metadata = new V1ObjectMeta { Name = "kept" } }, "default");
        await server.StopApiServerAsync();
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => server.Client.CoreV1.ReadNamespacedConfigMapAsync("kept", "default"));
        await server.StartApiServerAsync();
        Assert.Equal(url, server.Url);
        Assert.Equal("kept", (await server.Client.CoreV1.ReadNamespacedConfigMapAsync("kept", "default")).Name());
    }

    [Fact]
    public async Task After_a_compaction_what_stood_before_is_gone()
    {
        await using var server = await KubeApiServer.StartAsync(new KubeApiServerOptions { ExtraArguments = ["--watch-cache=false"] });
        var old = (await server.Client.CoreV1.ListNamespaceAsync()).Metadata.ResourceVersion;
        await server.Client.CoreV1.CreateNamespacedConfigMapAsync(new V1ConfigMap { Metadata = new V1ObjectMeta { Name = "newer" } }, "default");
        await server.CompactAsync();
        var gone = await Assert.ThrowsAsync<HttpOperationException>(() => server.Client.CoreV1.ListNamespaceAsync(resourceVersion: old, resourceVersionMatch: "Exact", limit: 5));
        Assert.Equal(HttpStatusCode.Gone, gone.Response.StatusCode);
    }

    [Fact]
    public async Task With_controllers_an_owner_takes_what_it_owns_with_it()
    {
        await using var server = await KubeApiServer.StartAsync(new KubeApiServerOptions { Controllers = true });
        var owner = await server.Client.CoreV1.CreateNamespacedConfigMapAsync(new V1ConfigMap { Metadata = new V1ObjectMeta { Name = "owner" } }, "default");
        var owned = new V1ConfigMap
        {
            Metadata = new V1ObjectMeta { Name = "owned", OwnerReferences = [new V1OwnerReference { ApiVersion = "v1", Kind = "ConfigMap", Name = "owner", Uid = owner.Uid() }] },
        };
        await server.Client.CoreV1.CreateNamespacedConfigMapAsync(owned, "default");
        await server.Client.CoreV1.DeleteNamespacedConfigMapAsync("owner", "default");
        await Eventually.Holds(
            async () => (await server.Client.CoreV1.ListNamespacedConfigMapAsync("default")).Items.Select(item => item.Name()).ToArray(),
            names => !names.Contains("owned"),
            "the owned one's end",
            TimeSpan.FromSeconds(30));
    }

    [Theory]
    [InlineData("1.29", 1, 29)]
    [InlineData("v1.36.2-gke.1", 1, 36)]
    [InlineData("1.20+", 1, 20)]
    public void A_version_is_read_without_what_vendors_add(string text, int major, int minor) => Assert.Equal(new KubeVersion(major, minor), KubeVersion.Parse(text));

    private static async Task<V1TokenReviewStatus> ReviewAsync(KubeApiServer server, string token, string audience) =>
        (await server.Client.AuthenticationV1.CreateTokenReviewAsync(new V1TokenReview { Spec = new V1TokenReviewSpec { Token = token, Audiences = [audience] } })).Status;

    private static V1Pod Pod(string name, string? serviceAccount) => new()
    {
        Metadata = new V1ObjectMeta { Name = name },
        Spec = new V1PodSpec { ServiceAccountName = serviceAccount, Containers = [new V1Container { Name = "app", Image = "registry.invalid/app:1" }] },
    };
}
