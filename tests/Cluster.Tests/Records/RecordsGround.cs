using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Contracts;
using Premortem.Operator.Policies;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Premortem.Testing;
using Prometheus;

namespace Premortem.Cluster.Tests.Records;

/// <summary>A namespace of the real API server, and replicas of what the operator does with records in it.</summary>
internal sealed class RecordsGround : IAsyncDisposable
{
    private static readonly Lazy<Task> s_crds = new(ApplyCrdsAsync);
    private readonly KubeNamespace _namespace;
    private readonly List<Replica> _replicas = [];

    private RecordsGround(KubeNamespace @namespace)
    {
        _namespace = @namespace;
        Captures = new ResourceApi<ProfileCapture>(Server.Client, ProfileCapture.Type);
        Pods = new ResourceApi<Pod>(Server.Client, Pod.Type);
    }

    public KubeApiServer Server => _namespace.Server;

    public string Namespace => _namespace.Name;

    public ResourceApi<ProfileCapture> Captures { get; }

    public ResourceApi<Pod> Pods { get; }

    public static async Task<RecordsGround> StartAsync()
    {
        await s_crds.Value;
        var server = await KubeApiServer.SharedAsync();
        return new RecordsGround(await server.NewNamespaceAsync());
    }

    /// <summary>One more replica; at most one may lead.</summary>
    public async Task<Replica> ReplicaAsync(bool leads = false, OomKillOptions? options = null)
    {
        var replica = await Replica.StartAsync(this, options ?? new OomKillOptions { Grace = TimeSpan.FromSeconds(1), GraceAfterStart = TimeSpan.Zero });
        _replicas.Add(replica);
        if (leads)
            replica.Lead();
        return replica;
    }

    /// <summary>A pod of a Deployment, as it is once it was injected.</summary>
    public async Task<V1Pod> PodAsync(string name, bool isInjected = true, V1Deployment? of = null)
    {
        V1OwnerReference? owner = null;
        if (of is not null)
        {
            var set = await Server.Client.AppsV1.CreateNamespacedReplicaSetAsync(
                new V1ReplicaSet
                {
                    Metadata = new V1ObjectMeta { Name = $"{of.Name()}-7d9f", OwnerReferences = [Owner("apps/v1", "Deployment", of.Name(), of.Uid())] },
                    Spec = new V1ReplicaSetSpec { Replicas = 0, Selector = of.Spec.Selector, Template = of.Spec.Template },
                },
                Namespace);
            owner = Owner("apps/v1", "ReplicaSet", set.Name(), set.Uid());
        }
        return await Server.Client.CoreV1.CreateNamespacedPodAsync(
            new V1Pod
            {
                Metadata = new V1ObjectMeta
                {
                    Name = name,
                    Labels = new Dictionary<string, string> { ["app"] = "checkout", [isInjected ? Names.InjectedLabel : "not-injected"] = "true" },
                    OwnerReferences = owner is null ? null : [owner],
                },
                Spec = new V1PodSpec
                {
                    ServiceAccountName = "app",
                    Containers = [.. new[] { "app", "proxy", Names.SidecarContainer }.Select(container => new V1Container { Name = container, Image = "registry.invalid/x:1" })],
                },
            },
            Namespace);
    }

    public Task<V1Deployment> DeploymentAsync(string name) => Server.Client.AppsV1.CreateNamespacedDeploymentAsync(
        new V1Deployment
        {
            Metadata = new V1ObjectMeta { Name = name },
            Spec = new V1DeploymentSpec
            {
                Replicas = 0,
                Selector = new V1LabelSelector { MatchLabels = new Dictionary<string, string> { ["app"] = name } },
                Template = new V1PodTemplateSpec
                {
                    Metadata = new V1ObjectMeta { Labels = new Dictionary<string, string> { ["app"] = name } },
                    Spec = new V1PodSpec { Containers = [new V1Container { Name = "app", Image = "registry.invalid/x:1" }] },
                },
            },
        },
        Namespace);

    public Task<string> TokenAsync(V1Pod pod) => Server.TokenAsync(Namespace, "app", Names.TokenAudience, pod);

    public Task PolicyAsync(string name, int historyLimit = 50) => Server.ApplyAsync(
        $$"""
        apiVersion: premortem.dev/v1alpha1
        kind: ProfilePolicy
        metadata: {name: {{name}} }
        spec:
          selector: {matchLabels: {app: checkout} }
          containers: [app]
          historyLimit: {{historyLimit}}
          triggers: [{name: near-limit, memoryUsage: {threshold: 85%} }]
          storage: {directory: {path: /var/lib/premortem} }
        """,
        Namespace);

    public async Task<IReadOnlyList<ProfileCapture>> ListAsync() =>
        (await Captures.ListAsync(new ListRequest { Namespace = Namespace }, CancellationToken.None)).Items;

    /// <summary>As the kubelet tells it: the last life of a container, whose next one runs.</summary>
    public Task KillAsync(V1Pod pod, string container, string id, DateTimeOffset started, DateTimeOffset finished) =>
        TellAsync(pod, Status(container, id, Killed(id, started, finished)));

    /// <summary>The life after <paramref name="before"/> was ended too, and there is no next one yet.</summary>
    public Task KillAgainAsync(V1Pod pod, string container, (string Id, DateTimeOffset Started, DateTimeOffset Finished) before, string id, DateTimeOffset finished)
    {
        var status = Status(container, id, Killed(before.Id, before.Started, before.Finished));
        status["state"] = Killed(id, before.Finished, finished);
        return TellAsync(pod, status);
    }

    public CaptureReport Report(string id, int sequence, DateTimeOffset? started = null, CaptureOutcome? outcome = CaptureOutcome.Survived)
    {
        var at = started ?? TimeProvider.System.GetUtcNow().AddSeconds(-10);
        return new CaptureReport(
            new CaptureRecord
            {
                Id = id,
                Folder = $"x/{id}/",
                Policy = new PolicyReference("checkout", Namespace),
                Trigger = new FiredTrigger("near-limit", "memoryUsage", "working set 241 MiB is at or above 85% of 256 MiB for 2s", at),
                Target = new TargetIdentity { Namespace = "forged", Workload = "forged", Pod = "forged", Container = "app" },
                Phase = CapturePhase.Completed,
                Outcome = outcome,
                OutcomeReason = "in words",
                StartedAt = at,
                CompletedAt = at.AddSeconds(5),
                Memory = new MemoryAtTrigger(252_706_816, 260_046_848, 256 << 20, 256 << 20, "cgroup v2"),
                Artifacts = [new Artifact { Type = "Heap", Key = "heap.pb.gz", Bytes = 12_345, Sha256 = new string('a', 64) }],
                Top = [new TopEntry("main.Leak", 230_000_000, 95.6)],
                Producer = "premortem-sidecar 0.1.0",
            },
            "s3://profiles/x/",
            null)
        {
            Sequence = sequence,
        };
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in _replicas)
            await replica.DisposeAsync();
        await _namespace.DisposeAsync();
    }

    private Task<Pod> TellAsync(V1Pod pod, JsonObject status)
    {
        var isSidecar = status["name"]!.GetValue<string>() == Names.SidecarContainer;
        var other = isSidecar ? Status("app", "containerd://app", null) : Status(Names.SidecarContainer, "containerd://sidecar", null);
        return Pods.PatchStatusAsync(
            new ResourceKey(Namespace, pod.Name()),
            new ResourcePatch.Merge(new JsonObject { ["status"] = new JsonObject { ["phase"] = "Running", ["containerStatuses"] = new JsonArray(status, other) } }),
            CancellationToken.None);
    }

    private static JsonObject Killed(string id, DateTimeOffset started, DateTimeOffset finished) => new()
    {
        ["terminated"] = new JsonObject
        {
            ["exitCode"] = 137,
            ["reason"] = "OOMKilled",
            ["startedAt"] = Time(started),
            ["finishedAt"] = Time(finished),
            ["containerID"] = id,
        },
    };

    private static JsonObject Status(string container, string id, JsonObject? last)
    {
        var status = new JsonObject
        {
            ["name"] = container,
            ["image"] = "x",
            ["imageID"] = "x",
            ["ready"] = true,
            ["restartCount"] = last is null ? 0 : 1,
            ["containerID"] = id + "-now",
            ["state"] = new JsonObject { ["running"] = new JsonObject { ["startedAt"] = "2020-01-01T00:00:00Z" } },
        };
        if (last is not null)
            status["lastState"] = last;
        return status;
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'");

    private static V1OwnerReference Owner(string apiVersion, string kind, string name, string uid) =>
        new() { ApiVersion = apiVersion, Kind = kind, Name = name, Uid = uid, Controller = true };

    private static async Task ApplyCrdsAsync()
    {
        var server = await KubeApiServer.SharedAsync();
        // A server from before CEL has no word for its rules, and leaves them out.
        foreach (var file in Directory.GetFiles(Repository.Path("crds"), "*.yaml"))
            (await server.KubectlAsync("apply", "--validate=false", "-f", file)).AssertOk();
        (await server.KubectlAsync("wait", "--for=condition=Established", "crd/profilecaptures.premortem.dev", "crd/profilepolicies.premortem.dev", "crd/clusterprofilepolicies.premortem.dev", "--timeout=30s")).AssertOk();
    }

    /// <summary>One operator, as far as records go.</summary>
    internal sealed class Replica : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly List<Task> _running = [];
        private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
        private readonly HttpClient _client = new();
        private WebApplication _app = null!;
        private Informer<Pod> _pods = null!;
        private CancellationTokenSource _lead = new();
        private Task _leading = Task.CompletedTask;

        public Recording Recording { get; private set; } = null!;

        public static async Task<Replica> StartAsync(RecordsGround ground, OomKillOptions options)
        {
            var replica = new Replica();
            var (client, log) = (ground.Server.Client, NullLogger.Instance);
            replica._pods = Informer(Pod.Type, new InformerOptions<Pod> { Namespace = ground.Namespace });
            var namespaces = Informer(Premortem.Operator.Resources.Namespace.Type, new InformerOptions<Premortem.Operator.Resources.Namespace>());
            var captures = Informer(ProfileCapture.Type, new InformerOptions<ProfileCapture> { Namespace = ground.Namespace, Trim = CaptureIndex.Trim });
            var policies = Informer(PolicyResource.Type, new InformerOptions<PolicyResource> { Namespace = ground.Namespace });
            var clusterPolicies = Informer(PolicyResource.ClusterType, new InformerOptions<PolicyResource>());
            var index = new PolicyIndex(policies, clusterPolicies);
            var events = new EventRecorder(client, "premortem", TimeProvider.System, log);
            replica.Recording = new Recording(
                client, replica._pods, namespaces, captures, index, events.Record, Metrics.WithCustomRegistry(replica._registry), TimeProvider.System, log, maxRequestedCaptures: 2, options);
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            replica._app = builder.Build();
            replica.Recording.Map(replica._app);
            await replica._app.StartAsync();
            replica._client.BaseAddress = new Uri(replica._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
            var ct = replica._stop.Token;
            replica._running.AddRange([events.RunAsync(ct), replica._pods.RunAsync(ct), namespaces.RunAsync(ct), captures.RunAsync(ct), policies.RunAsync(ct), clusterPolicies.RunAsync(ct)]);
            await Task.WhenAll(replica._pods.WhenSyncedAsync(ct), namespaces.WhenSyncedAsync(ct), captures.WhenSyncedAsync(ct), policies.WhenSyncedAsync(ct), clusterPolicies.WhenSyncedAsync(ct));
            return replica;

            Informer<T> Informer<T>(ResourceType type, InformerOptions<T> informerOptions)
                where T : class, IResource => new(new ResourceApi<T>(client, type), informerOptions, TimeProvider.System, log);
        }

        public Pod? Known(string name, string @namespace) => _pods.Get(new ResourceKey(@namespace, name));

        public void Lead()
        {
            _lead = new CancellationTokenSource();
            _leading = Recording.LeadAsync(_lead.Token);
        }

        public async Task StopLeadingAsync()
        {
            await _lead.CancelAsync();
            await _leading;
        }

        public async Task<int> PutAsync(CaptureReport report, string token) =>
            await PutAsync($"/v1/captures/{report.Record.Id}", RecordJson.Object(report), token);

        public async Task<int> PutAsync(SidecarStatus status, string token) => await PutAsync(ReportPaths.Status, RecordJson.Object(status), token);

        public async Task<double> SampleAsync(string series)
        {
            using var text = new MemoryStream();
            await _registry.CollectAndExportAsTextAsync(text);
            var line = Encoding.UTF8.GetString(text.ToArray()).Split('\n').FirstOrDefault(line => line.StartsWith(series + " ", StringComparison.Ordinal));
            return line is null ? 0 : double.Parse(line.Split(' ')[^1]);
        }

        public async ValueTask DisposeAsync()
        {
            await StopLeadingAsync();
            await _stop.CancelAsync();
            await Task.WhenAll(_running);
            await _app.DisposeAsync();
            _client.Dispose();
            Recording.Dispose();
        }

        private async Task<int> PutAsync(string path, JsonObject body, string token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var response = await _client.SendAsync(request);
            LastAnswer = await response.Content.ReadAsStringAsync();
            return (int)response.StatusCode;
        }

        public string LastAnswer { get; private set; } = "";
    }
}
