using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Premortem.OperatorBench;
using Premortem.Testing;

// The operator on a real API server: what it adds to the making of a pod, how it bears many policies and pods, and what it costs at rest.
//   OperatorBench [start] [create] [webhook] [scale]      prints rows of Markdown
const string home = "premortem-system";
string[] parts = args.Length > 0 ? args : ["start", "create", "webhook", "scale"];
await using var server = await KubeApiServer.StartAsync(new KubeApiServerOptions { ExtraArguments = ["--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000"] });
(await server.HelmAsync([
    "install", "premortem", Repository.Path("charts", "premortem"), "--namespace", home, "--create-namespace", "--set", "replicas=0",
    .. server.Has(KubeFeature.Cel) ? Array.Empty<string>() : ["--server-side=false"]])).AssertOk();
using var folder = new TemporaryFolder();
var config = folder.File("config.yaml");
await File.WriteAllTextAsync(config, (await server.Client.CoreV1.ReadNamespacedConfigMapAsync("premortem", home)).Data["config.yaml"]);
var kubeconfig = await server.KubeconfigForAsync(home, "premortem");
using var fast = new Kubernetes(new KubernetesClientConfiguration
{
    Host = server.Client.BaseUri.ToString(),
    AccessToken = await AdminTokenAsync(),
    SkipTlsVerify = true,
});

Row($"| Kubernetes | {server.Version} |");
if (parts.Contains("start"))
    await StartAsync();
if (parts.Contains("create"))
    await CreateAsync();
if (parts.Contains("webhook"))
    await WebhookAsync();
if (parts.Contains("scale"))
    await ScaleAsync();
return 0;

async Task StartAsync()
{
    var readied = new List<double>();
    for (var i = 0; i < 5; i++)
    {
        await using var one = await BenchOperator.StartAsync(config, kubeconfig);
        readied.Add(one.Readied.TotalSeconds);
    }
    Row($"| start to ready | {Quantile(readied, 0.5):0.00} s (5 starts, at most {readied.Max():0.00} s) |");
    var ns = await NamespaceAsync("idle");
    for (var i = 0; i < 10; i++)
        await PolicyAsync(ns, $"policy-{i}", $"app-{i}");
    await using var idle = await BenchOperator.StartAsync(config, kubeconfig);
    for (var i = 0; i < 100; i++)
        await fast.CoreV1.CreateNamespacedPodAsync(Pod($"pod-{i}", $"app-{i % 10}", isInjected: true), ns);
    await SettleAsync(idle);
    for (var minute = 1; minute <= 3; minute++)
    {
        var (cpu, clock) = (idle.CpuSeconds, Stopwatch.StartNew());
        await Task.Delay(TimeSpan.FromSeconds(60), TimeProvider.System);
        Row($"| at rest, 10 policies and 100 pods, minute {minute} | {(idle.CpuSeconds - cpu) / clock.Elapsed.TotalSeconds * 100:0.00} % of a core, {idle.ResidentMiB:0} MiB |");
    }
    await EmptyAsync(ns);
}

// Fifty a second, each by its own clock: what is late is late for the user, too. Rounds with and without the webhook take turns.
async Task CreateAsync()
{
    var ns = await NamespaceAsync("create");
    await PolicyAsync(ns, "create", "create");
    await using var one = await BenchOperator.StartAsync(config, kubeconfig);
    await InjectedAsync(ns, one);
    var (with, without) = (new List<double>(), new List<double>());
    for (var round = 0; round < 8; round++)
    {
        var isOn = round % 2 == 0;
        await RouteAsync(isOn ? one.HttpsPort : null);
        await Eventually.Holds(
            async () => IsInjected(await fast.CoreV1.CreateNamespacedPodAsync(Pod($"probe-{Guid.NewGuid():N}", "create"), ns)),
            injected => injected == isOn, "the webhook's state", TimeSpan.FromSeconds(30));
        var begun = Stopwatch.StartNew();
        var all = new List<Task<double>>();
        for (var i = 0; i < 250; i++)
        {
            var due = TimeSpan.FromMilliseconds(20 * i);
            if (due > begun.Elapsed)
                await Task.Delay(due - begun.Elapsed, TimeProvider.System);
            all.Add(TimedAsync(due, round, i));
        }
        (isOn ? with : without).AddRange(await Task.WhenAll(all));

        async Task<double> TimedAsync(TimeSpan due, int round, int i)
        {
            var clock = Stopwatch.StartNew();
            await fast.CoreV1.CreateNamespacedPodAsync(Pod($"pod-{round}-{i}", "create"), ns);
            return clock.Elapsed.TotalMilliseconds;
        }
    }
    Row($"| making a pod, 50/s, without the webhook | p50 {Quantile(without, 0.5):0.0} ms, p99 {Quantile(without, 0.99):0.0} ms ({without.Count} pods) |");
    Row($"| with it | p50 {Quantile(with, 0.5):0.0} ms, p99 {Quantile(with, 0.99):0.0} ms ({with.Count} pods) |");
    Row($"| added | p50 {Quantile(with, 0.5) - Quantile(without, 0.5):0.0} ms, p99 {Quantile(with, 0.99) - Quantile(without, 0.99):0.0} ms |");
    await EmptyAsync(ns);
}

async Task WebhookAsync()
{
    var ns = await NamespaceAsync("webhook");
    await PolicyAsync(ns, "webhook", "webhook");
    await using var one = await BenchOperator.StartAsync(config, kubeconfig);
    await InjectedAsync(ns, one, "webhook");
    var pod = JsonNode.Parse(KubernetesJson.Serialize(Pod("pod", "webhook")))!;
    var review = new JsonObject
    {
        ["apiVersion"] = "admission.k8s.io/v1",
        ["kind"] = "AdmissionReview",
        ["request"] = new JsonObject
        {
            ["uid"] = "1", ["kind"] = new JsonObject { ["group"] = "", ["version"] = "v1", ["kind"] = "Pod" },
            ["resource"] = new JsonObject { ["group"] = "", ["version"] = "v1", ["resource"] = "pods" },
            ["namespace"] = ns, ["operation"] = "CREATE", ["object"] = pod,
        },
    }.ToJsonString();
    var body = Encoding.UTF8.GetBytes(review);
    using var handler = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true } };
    using var http = new HttpClient(handler);
    var url = new Uri(string.Create(CultureInfo.InvariantCulture, $"https://127.0.0.1:{one.HttpsPort}/admission/inject"));
    foreach (var (seconds, isWarmUp) in new[] { (3, true), (10, false) })
    {
        var times = new ConcurrentBag<double>();
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, 16).Select(async _ =>
        {
            while (clock.Elapsed < TimeSpan.FromSeconds(seconds))
            {
                var begun = Stopwatch.GetTimestamp();
                using var content = new ByteArrayContent(body);
                content.Headers.ContentType = new("application/json");
                using var answer = await http.PostAsync(url, content);
                var text = await answer.Content.ReadAsStringAsync();
                if (!text.Contains("\"patch\"", StringComparison.Ordinal))
                    throw new InvalidOperationException($"no patch: {text}");
                times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }
        }));
        if (!isWarmUp)
            Row($"| the webhook alone, 16 connections, client on the same cores | {times.Count / clock.Elapsed.TotalSeconds:0} reviews/s, p50 {Quantile(times, 0.5):0.0} ms, p99 {Quantile(times, 0.99):0.0} ms |");
    }
    await EmptyAsync(ns);
}

async Task ScaleAsync()
{
    await RouteAsync(null);
    double empty;
    await using (var before = await BenchOperator.StartAsync(config, kubeconfig))
    {
        await SettleAsync(before);
        empty = before.ResidentMiB;
    }
    var namespaces = new List<string>();
    for (var i = 0; i < 10; i++)
        namespaces.Add(await NamespaceAsync($"scale-{i}"));
    var clock = Stopwatch.StartNew();
    await Parallel.ForAsync(0, 1000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) => await PolicyAsync(namespaces[i % 10], $"policy-{i}", $"app-{i}"));
    await Parallel.ForAsync(0, 10_000, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, ct) =>
        await fast.CoreV1.CreateNamespacedPodAsync(Pod($"pod-{i}", $"app-{i % 1000}", isInjected: true), namespaces[i % 10], cancellationToken: ct));
    await Console.Error.WriteLineAsync($"1,000 policies and 10,000 pods were made in {clock.Elapsed.TotalSeconds:0} s");

    clock.Restart();
    await using var one = await BenchOperator.StartAsync(config, kubeconfig);
    var settled = await SettleAsync(one);
    Row($"| 1,000 policies, 10,000 pods: ready | {one.Readied.TotalSeconds:0.0} s |");
    Row($"| … until nothing is left to write (10,000 settings, 1,000 statuses; 50 settings a second) | {settled.TotalSeconds:0} s, {one.CpuSeconds:0.0} s of CPU, {await one.FigureAsync("premortem_settings_writes_total"):0} + {await one.FigureAsync("premortem_policy_status_writes_total"):0} writes |");
    Row($"| … RSS | {one.ResidentMiB:0} MiB, {(one.ResidentMiB - empty) / 10:0.0} MiB for each 1,000 pods (empty: {empty:0} MiB) |");
    var (settings, statuses) = (await one.FigureAsync("premortem_settings_writes_total"), await one.FigureAsync("premortem_policy_status_writes_total"));
    clock.Restart();
    await PolicyAsync(namespaces[0], "policy-0", "app-0", "80%");
    await SettleAsync(one);
    Row($"| one policy of 10 pods is changed | {await one.FigureAsync("premortem_settings_writes_total") - settings:0} settings and {await one.FigureAsync("premortem_policy_status_writes_total") - statuses:0} statuses written |");
}

// Nothing has been written for three seconds.
async Task<TimeSpan> SettleAsync(BenchOperator one)
{
    var clock = Stopwatch.StartNew();
    var (last, at) = (-1.0, TimeSpan.Zero);
    while (clock.Elapsed - at < TimeSpan.FromSeconds(3))
    {
        if (clock.Elapsed > TimeSpan.FromMinutes(6))
            throw new InvalidOperationException("it does not come to rest");
        var writes = await one.FigureAsync("premortem_settings_writes_total") + await one.FigureAsync("premortem_policy_status_writes_total");
        // The lease of one that was killed has to run out first.
        if (writes != last || await one.FigureAsync("premortem_leader") == 0)
            (last, at) = (writes, clock.Elapsed);
        await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
    }
    return at;
}

async Task InjectedAsync(string ns, BenchOperator one, string app = "create")
{
    await RouteAsync(one.HttpsPort);
    await Eventually.Holds(
        async () => IsInjected(await fast.CoreV1.CreateNamespacedPodAsync(Pod($"first-{Guid.NewGuid():N}", app), ns)),
        isInjected => isInjected, "an injected pod", TimeSpan.FromSeconds(30));
}

static bool IsInjected(V1Pod pod) => pod.Metadata.Labels.ContainsKey("premortem.dev/injected");

// The API server calls the operator itself, with no Service between; null: it calls nobody.
async Task RouteAsync(int? port)
{
    var webhooks = await fast.AdmissionregistrationV1.ReadMutatingWebhookConfigurationAsync("premortem");
    foreach (var hook in webhooks.Webhooks)
    {
        hook.ClientConfig.Service = null;
        hook.ClientConfig.Url = string.Create(CultureInfo.InvariantCulture, $"https://127.0.0.1:{port ?? 1}/admission/inject");
        hook.Rules[0].Operations = [port is null ? "DELETE" : "CREATE"];
    }
    await fast.AdmissionregistrationV1.ReplaceMutatingWebhookConfigurationAsync(webhooks, "premortem");
}

async Task<string> NamespaceAsync(string name)
{
    await fast.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new V1ObjectMeta { Name = name } });
    return name;
}

async Task EmptyAsync(string ns)
{
    await fast.CoreV1.DeleteCollectionNamespacedPodAsync(ns, gracePeriodSeconds: 0);
    await fast.CustomObjects.DeleteCollectionNamespacedCustomObjectAsync("premortem.dev", "v1alpha1", ns, "profilepolicies");
}

async Task PolicyAsync(string ns, string name, string app, string threshold = "85%")
{
    object body = JsonNode.Parse($$$"""
        {"apiVersion": "premortem.dev/v1alpha1", "kind": "ProfilePolicy", "metadata": {"name": "{{{name}}}"},
         "spec": {"selector": {"matchLabels": {"app": "{{{app}}}"}}, "storage": {"s3": {"bucket": "profiles", "region": "eu-west-1"}},
          "triggers": [{"name": "near-limit", "memoryUsage": {"threshold": "{{{threshold}}}"}}, {"name": "oom-ahead", "timeToLimit": {"within": "20s"}}]}}
        """)!;
    if (threshold == "85%")
        await fast.CustomObjects.CreateNamespacedCustomObjectAsync(body, "premortem.dev", "v1alpha1", ns, "profilepolicies");
    else
        await fast.CustomObjects.PatchNamespacedCustomObjectAsync(new V1Patch($$$"""{"spec": {"triggers": [{"name": "near-limit", "memoryUsage": {"threshold": "{{{threshold}}}"}}]}}""", V1Patch.PatchType.MergePatch), "premortem.dev", "v1alpha1", ns, "profilepolicies", name);
}

// One that is injected already stands for one whose settings are old.
static V1Pod Pod(string name, string app, bool isInjected = false) => new()
{
    ApiVersion = "v1",
    Kind = "Pod",
    Metadata = new V1ObjectMeta
    {
        Name = name,
        Labels = new Dictionary<string, string> { ["app"] = app, [isInjected ? "premortem.dev/injected" : "plain"] = "true" },
        Annotations = isInjected ? new Dictionary<string, string> { ["premortem.dev/config"] = "{}", ["premortem.dev/policies"] = app } : null,
    },
    Spec = new V1PodSpec
    {
        ServiceAccountName = "default",
        Containers =
        [
            new V1Container
            {
                Name = "app", Image = "registry.example.com/shop/app:1.2.3", Env = [.. Enumerable.Range(0, 10).Select(i => new V1EnvVar { Name = $"VARIABLE_{i}", Value = "a value of some length" })],
                Resources = new V1ResourceRequirements { Limits = new Dictionary<string, ResourceQuantity> { ["memory"] = new("256Mi") }, Requests = new Dictionary<string, ResourceQuantity> { ["memory"] = new("128Mi"), ["cpu"] = new("100m") } },
            },
            .. isInjected ? [new V1Container { Name = "premortem", Image = "premortem-sidecar:1" }] : Array.Empty<V1Container>(),
        ],
    },
};

static double Quantile(IEnumerable<double> values, double q)
{
    var sorted = values.Order().ToArray();
    return sorted[(int)Math.Min(sorted.Length - 1, q * sorted.Length)];
}

static void Row(FormattableString row) => Console.WriteLine(FormattableString.Invariant(row));

async Task<string> AdminTokenAsync() => await AdminAsync(server);

static async Task<string> AdminAsync(KubeApiServer server)
{
    await server.Client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(new V1ClusterRoleBinding
    {
        Metadata = new V1ObjectMeta { Name = "bench" },
        RoleRef = new V1RoleRef { ApiGroup = "rbac.authorization.k8s.io", Kind = "ClusterRole", Name = "cluster-admin" },
        Subjects = [new Rbacv1Subject { Kind = "ServiceAccount", Name = "bench", NamespaceProperty = "default" }],
    });
    return await server.TokenAsync("default", "bench");
}
