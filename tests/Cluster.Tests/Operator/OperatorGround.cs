using System.Net;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Contracts;
using Premortem.Operator.Hosting;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cluster.Tests.OperatorStory;

/// <summary>A cluster with all that the chart brings: CRDs, the ServiceAccount with its rights, the Secret and the webhooks. No operator runs yet.</summary>
public sealed class OperatorGround : IAsyncLifetime
{
    public const string Home = "premortem-system";
    public const string Account = "premortem";

    public KubeApiServer Server { get; private set; } = null!;

    internal ServiceStandIn Service { get; } = new();

    public Kubernetes Client => Server.Client;

    public async ValueTask InitializeAsync()
    {
        Server = await KubeApiServer.StartAsync();
        await InstallAsync(Server, Service.Port);
    }

    public async ValueTask DisposeAsync()
    {
        await Service.DisposeAsync();
        if (Server is not null)
            await Server.DisposeAsync();
    }

    internal static async Task InstallAsync(KubeApiServer server, int webhookPort, bool crds = true)
    {
        if (crds)
            await ApplyCrdsAsync(server);
        await server.ApplyAsync($$$"""
            apiVersion: v1
            kind: Namespace
            metadata: {name: {{{Home}}}, labels: {kubernetes.io/metadata.name: {{{Home}}}}}
            ---
            apiVersion: v1
            kind: ServiceAccount
            metadata: {name: {{{Account}}}, namespace: {{{Home}}}}
            ---
            apiVersion: v1
            kind: Secret
            metadata: {name: premortem-ca, namespace: {{{Home}}}}
            type: Opaque
            """);
        await GrantAsync(server.Client);
        await server.ApplyAsync(Webhooks(webhookPort));
    }

    internal static async Task ApplyCrdsAsync(KubeApiServer server)
    {
        // Old servers do not know all that stands there, and drop it.
        (await server.KubectlAsync("apply", "--validate=false", "-f", Repository.Path("crds"))).AssertOk();
        (await server.KubectlAsync("wait", "--for=condition=Established", "--timeout=30s", "crd/profilepolicies.premortem.dev", "crd/clusterprofilepolicies.premortem.dev", "crd/profilecaptures.premortem.dev")).AssertOk();
    }

    /// <summary>The rights that the operator says it needs, each by itself, and no others.</summary>
    private static async Task GrantAsync(Kubernetes client)
    {
        var rights = RequiredRight.For(new OperatorOptions());
        await client.RbacAuthorizationV1.CreateClusterRoleAsync(new V1ClusterRole { Metadata = new V1ObjectMeta { Name = Account }, Rules = [.. rights.Where(right => !right.IsHome).Select(Rule)] });
        await client.RbacAuthorizationV1.CreateNamespacedRoleAsync(new V1Role { Metadata = new V1ObjectMeta { Name = Account }, Rules = [.. rights.Where(right => right.IsHome).Select(Rule)] }, Home);
        IList<Rbacv1Subject> subjects = [new Rbacv1Subject { Kind = "ServiceAccount", Name = Account, NamespaceProperty = Home }];
        await client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(new V1ClusterRoleBinding { Metadata = new V1ObjectMeta { Name = Account }, RoleRef = new V1RoleRef { ApiGroup = "rbac.authorization.k8s.io", Kind = "ClusterRole", Name = Account }, Subjects = subjects });
        await client.RbacAuthorizationV1.CreateNamespacedRoleBindingAsync(new V1RoleBinding { Metadata = new V1ObjectMeta { Name = Account }, RoleRef = new V1RoleRef { ApiGroup = "rbac.authorization.k8s.io", Kind = "Role", Name = Account }, Subjects = subjects }, Home);

        static V1PolicyRule Rule(RequiredRight right) => new()
        {
            Verbs = [right.Verb],
            ApiGroups = [right.Group],
            Resources = [right.SubResource is null ? right.Resource : $"{right.Resource}/{right.SubResource}"],
            ResourceNames = right.Name is null ? null : [right.Name],
        };
    }

    /// <summary>Validation only where a namespace asks for it: other tests bring policies past it.</summary>
    private static string Webhooks(int port) => $$$"""
        apiVersion: admissionregistration.k8s.io/v1
        kind: MutatingWebhookConfiguration
        metadata: {name: premortem}
        webhooks:
          - name: inject.premortem.dev
            admissionReviewVersions: [v1]
            sideEffects: NoneOnDryRun
            failurePolicy: Ignore
            reinvocationPolicy: IfNeeded
            timeoutSeconds: 2
            clientConfig: {url: "https://127.0.0.1:{{{port}}}/admission/inject"}
            namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system, {{{Home}}}]}]}
            rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}]
        ---
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingWebhookConfiguration
        metadata: {name: premortem}
        webhooks:
          - name: validate.premortem.dev
            admissionReviewVersions: [v1]
            sideEffects: None
            failurePolicy: Ignore
            timeoutSeconds: 5
            clientConfig: {url: "https://127.0.0.1:{{{port}}}/admission/validate"}
            namespaceSelector: {matchLabels: {validate: "true"}}
            rules: [{apiGroups: [premortem.dev], apiVersions: [v1alpha1], operations: [CREATE, UPDATE], resources: [profilepolicies, clusterprofilepolicies, profilecaptures], scope: "*"}]
        """;

    internal async Task<RunningOperator> StartAsync(Func<OperatorOptions, OperatorOptions>? change = null) =>
        await RunningOperator.StartAsync(Server, Service, change);

    internal async Task<string> KubeconfigAsync() => await Server.KubeconfigForAsync(Home, Account);

    internal Task<V1Pod> CreatePodAsync(KubeNamespace ns, string name, string app = "shop", Action<V1Pod>? change = null)
    {
        var pod = new V1Pod
        {
            Metadata = new V1ObjectMeta { Name = name, Labels = new Dictionary<string, string> { ["app"] = app } },
            Spec = new V1PodSpec
            {
                // Nobody fills it in on a server without a controller manager, and a token of the sidecar's needs one.
                ServiceAccountName = "default",
                Containers = [new V1Container { Name = "app", Image = "app:1", Resources = new V1ResourceRequirements { Limits = new Dictionary<string, ResourceQuantity> { ["memory"] = new("256Mi") } } }],
            },
        };
        change?.Invoke(pod);
        return Client.CoreV1.CreateNamespacedPodAsync(pod, ns.Name);
    }

    internal Task ApplyPolicyAsync(KubeNamespace ns, string name, string app = "shop", string threshold = "85%") => Server.ApplyAsync(Policy(name, app, threshold), ns.Name);

    internal static string Policy(string name, string app, string threshold) => $$$"""
        apiVersion: premortem.dev/v1alpha1
        kind: ProfilePolicy
        metadata: {name: {{{name}}}}
        spec:
          selector: {matchLabels: {app: {{{app}}}}}
          triggers: [{name: near-limit, memoryUsage: {threshold: {{{threshold}}}}}]
          storage: {directory: {path: /var/lib/premortem}}
        """;

    internal async Task<JsonObject?> PolicyAsync(KubeNamespace ns, string name)
    {
        var policy = await Client.CustomObjects.GetNamespacedCustomObjectAsync("premortem.dev", "v1alpha1", ns.Name, "profilepolicies", name);
        return JsonNode.Parse(((System.Text.Json.JsonElement)policy).GetRawText())!.AsObject();
    }

    internal Task<JsonObject?> PolicyStatusAsync(KubeNamespace ns, string name, Func<JsonObject, bool> holds, string what) => Eventually.Holds(
        async () => (await PolicyAsync(ns, name))?["status"] as JsonObject,
        status => status is not null && holds(status),
        what,
        TimeSpan.FromSeconds(20));

    internal Task<V1Pod> PodAsync(KubeNamespace ns, string name, Func<V1Pod, bool> holds, string what) =>
        Eventually.Holds(() => Client.CoreV1.ReadNamespacedPodAsync(name, ns.Name), holds, what, TimeSpan.FromSeconds(20));

    internal static bool IsInjected(V1Pod pod) =>
        pod.Metadata.Labels?.ContainsKey(Names.InjectedLabel) == true && pod.Spec.Containers.Concat(pod.Spec.InitContainers ?? []).Any(container => container.Name == Names.SidecarContainer);

    internal static string Settings(V1Pod pod) => pod.Metadata.Annotations?.TryGetValue(Names.ConfigAnnotation, out var settings) == true ? settings : "";

    /// <summary>Until a pod that is made is injected: policies take a moment to reach the operator.</summary>
    internal async Task<V1Pod> CreateInjectedPodAsync(KubeNamespace ns, string name, string app = "shop")
    {
        var attempt = 0;
        return await Eventually.Holds(() => CreatePodAsync(ns, $"{name}-{attempt++}", app), IsInjected, "a pod with the sidecar", TimeSpan.FromSeconds(20));
    }
}

/// <summary>An operator in this process, under the chart's rights.</summary>
internal sealed class RunningOperator : IAsyncDisposable
{
    private readonly OperatorProcess _process;
    private readonly Kubernetes _client;
    private readonly ServiceStandIn _service;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task<int> _running;

    private RunningOperator(OperatorProcess process, Kubernetes client, ServiceStandIn service)
    {
        (_process, _client, _service) = (process, client, service);
        _running = process.RunAsync(_stop.Token);
    }

    public OperatorProcess Process => _process;

    /// <summary>How it ended.</summary>
    public Task<int> Ended => _running;

    public Uri Health => new($"http://127.0.0.1:{_process.HttpPort}");

    public static async Task<RunningOperator> StartAsync(KubeApiServer server, ServiceStandIn service, Func<OperatorOptions, OperatorOptions>? change, bool untilReady = true)
    {
        var client = await server.ClientForAsync(OperatorGround.Home, OperatorGround.Account);
        var options = new OperatorOptions
        {
            Namespace = OperatorGround.Home,
            BindAddress = "127.0.0.1",
            HttpPort = 0,
            HttpsPort = 0,
            Drain = TimeSpan.Zero,
            LeaseDuration = TimeSpan.FromSeconds(3),
            LeaseRenewDeadline = TimeSpan.FromSeconds(2),
            LeaseRetryPeriod = TimeSpan.FromMilliseconds(200),
        };
        var running = new RunningOperator(new OperatorProcess(change?.Invoke(options) ?? options, client, NullLoggerFactory.Instance, TimeProvider.System), client, service);
        await Eventually.IsTrue(() => running._process.HttpsPort != 0 || running._running.IsCompleted, "listening");
        service.Add(running._process.HttpsPort);
        if (untilReady)
            await running._process.WhenReady.WaitAsync(TimeSpan.FromSeconds(60));
        return running;
    }

    public async Task<(HttpStatusCode Status, string Text)> GetAsync(string path)
    {
        using var http = new HttpClient { BaseAddress = Health };
        using var answer = await http.GetAsync(new Uri(path, UriKind.Relative));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>A figure of /metrics; all series of it together.</summary>
    public async Task<double> FigureAsync(string series) => (await GetAsync("/metrics")).Text.Split('\n')
        .Where(line => line.StartsWith(series, StringComparison.Ordinal) && line.Length > series.Length && line[series.Length] is ' ' or '{')
        .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture));

    public async Task<int> StopAsync()
    {
        _service.Remove(_process.HttpsPort);
        await _stop.CancelAsync();
        return await _running;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _process.DisposeAsync();
        _client.Dispose();
        _stop.Dispose();
    }
}
