using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Premortem.Testing;

namespace Premortem.Cluster.Tests.OperatorStory;

/// <summary>
/// The release as helm installs it, on an API server of its own. Programs of this machine take the place of the operator's pods, which no node is
/// there to run; the chart's Service leads to them, and they have the rights of the chart's ServiceAccount and no others.
/// </summary>
internal sealed class ReleaseStoryGround : IAsyncDisposable
{
    private const string Home = OperatorGround.Home;
    private readonly TemporaryFolder _folder = new();
    private readonly List<OperatorProgram> _programs = [];

    private ReleaseStoryGround(KubeApiServer server, bool hasControllers) => (Server, HasControllers) = (server, hasControllers);

    public KubeApiServer Server { get; }

    /// <summary>Whether Deployments make pods.</summary>
    public bool HasControllers { get; }

    public ServiceStandIn Service { get; } = new();

    public Kubernetes Client => Server.Client;

    public static async Task<ReleaseStoryGround> InstallAsync()
    {
        // A controller manager of another age than the API server's may not find its APIs.
        var hasControllers = KubeAssets.KubeControllerManager is { } controllers && Path.GetDirectoryName(controllers) == Path.GetDirectoryName(KubeAssets.KubeApiServer);
        // Where a Service leads outside by name the server follows it, if it is not to look for endpoints.
        var server = await KubeApiServer.StartAsync(new KubeApiServerOptions { Controllers = hasControllers, ExtraArguments = ["--enable-aggregator-routing=false"] });
        var ground = new ReleaseStoryGround(server, hasControllers);
        try
        {
            // A server before 1.25 does not know CEL rules, and refuses to apply what it does not know.
            string[] how = server.Has(KubeFeature.Cel) ? [] : ["--server-side=false"];
            (await server.HelmAsync([
                "install", "premortem", Repository.Path("charts", "premortem"), "--namespace", Home, "--create-namespace",
                "--set", "replicas=0", "--set", Text($"service.port={ground.Service.Port}"), "--set", "config.reportAddress=127.0.0.1", "--set", "config.drain=0s",
                "--set", "config.leaseDuration=4s", "--set", "config.leaseRenewDeadline=3s", "--set", "config.leaseRetryPeriod=500ms",
                .. how])).AssertOk();
            (await server.KubectlAsync(
                "patch", "service", "premortem", "--namespace", Home, "--type", "merge",
                "--patch", """{"spec": {"type": "ExternalName", "externalName": "localhost", "selector": null, "clusterIP": null, "clusterIPs": null}}""")).AssertOk();
            return ground;
        }
        catch
        {
            await ground.DisposeAsync();
            throw;
        }
    }

    /// <summary>One more replica, behind the Service as soon as it is ready.</summary>
    public async Task<OperatorProgram> StartOperatorAsync()
    {
        var config = _folder.File("config.yaml");
        await File.WriteAllTextAsync(config, (await Client.CoreV1.ReadNamespacedConfigMapAsync("premortem", Home)).Data["config.yaml"]);
        var program = await OperatorProgram.StartAsync(config, await Server.KubeconfigForAsync(Home, OperatorGround.Account));
        _programs.Add(program);
        Service.Add(program.HttpsPort);
        return program;
    }

    /// <summary>A pod of a Deployment: where no controller makes it, its template is created as the controller would.</summary>
    public async Task<V1Pod> NewPodOfAsync(string ns, string deployment)
    {
        var template = (await Client.AppsV1.ReadNamespacedDeploymentAsync(deployment, ns)).Spec.Template;
        if (HasControllers)
        {
            var before = (await Client.CoreV1.ListNamespacedPodAsync(ns)).Items.Select(pod => pod.Uid()).ToHashSet();
            // As kubectl rollout restart does it, which refuses to be called twice in a second.
            var another = Text($"{{\"spec\": {{\"template\": {{\"metadata\": {{\"annotations\": {{\"restarted\": \"{Guid.NewGuid():N}\"}}}}}}}}}}");
            (await Server.KubectlAsync("patch", "deployment", deployment, "--namespace", ns, "--type", "merge", "--patch", another)).AssertOk();
            return (await Eventually.Holds<V1Pod?>(
                async () => (await Client.CoreV1.ListNamespacedPodAsync(ns)).Items.FirstOrDefault(pod => !before.Contains(pod.Uid())),
                pod => pod is not null,
                "a new pod of the Deployment",
                TimeSpan.FromSeconds(30)))!;
        }
        template.Spec.ServiceAccountName ??= "default";
        return await Client.CoreV1.CreateNamespacedPodAsync(
            new V1Pod { Metadata = new V1ObjectMeta { GenerateName = $"{deployment}-", Labels = template.Metadata.Labels, Annotations = template.Metadata.Annotations }, Spec = template.Spec },
            ns);
    }

    /// <summary>Until a new pod is injected: a policy takes a moment to reach the operator.</summary>
    public Task<V1Pod> NewInjectedPodOfAsync(string ns, string deployment) =>
        Eventually.Holds(() => NewPodOfAsync(ns, deployment), OperatorGround.IsInjected, "a pod with the sidecar", TimeSpan.FromSeconds(30));

    public Task<V1Pod> PodAsync(string ns, string name, Func<JsonObject, bool> settings, string what) => Eventually.Holds(
        () => Client.CoreV1.ReadNamespacedPodAsync(name, ns),
        pod => OperatorGround.Settings(pod) is { Length: > 0 } text && settings(JsonNode.Parse(text)!.AsObject()),
        what,
        TimeSpan.FromSeconds(30));

    public async Task<JsonObject> CustomAsync(string ns, string plural, string name)
    {
        var read = (JsonElement)await Client.CustomObjects.GetNamespacedCustomObjectAsync("premortem.dev", "v1alpha1", ns, plural, name);
        return JsonNode.Parse(read.GetRawText())!.AsObject();
    }

    public async Task<string?> LeaderAsync() => (await Client.CoordinationV1.ReadNamespacedLeaseAsync("premortem", Home)).Spec?.HolderIdentity;

    public async ValueTask DisposeAsync()
    {
        foreach (var program in _programs)
            await program.DisposeAsync();
        await Service.DisposeAsync();
        await Server.DisposeAsync();
        _folder.Dispose();
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}

/// <summary>The operator's own program, as its container runs it.</summary>
internal sealed class OperatorProgram : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly int _httpPort;

    private OperatorProgram(ChildProcess process, int httpPort, int httpsPort) => (_process, _httpPort, HttpsPort) = (process, httpPort, httpsPort);

    public int HttpsPort { get; }

    public string Output => _process.Output;

    public static async Task<OperatorProgram> StartAsync(string config, string kubeconfig)
    {
        var (http, https) = (FreePort(), FreePort());
        var process = ChildProcess.Start(
            Repository.Built("artifacts/publish/operator/premortem-operator", "build"),
            [
                "run", "--config", config, "--kubeconfig", kubeconfig, "--namespace", OperatorGround.Home, "--bind-address", "127.0.0.1",
                "--http-port", http.ToString(CultureInfo.InvariantCulture), "--https-port", https.ToString(CultureInfo.InvariantCulture), "--log-format", "Json",
            ]);
        var program = new OperatorProgram(process, http, https);
        await Eventually.IsTrueAsync(program.IsReadyAsync, "the operator's /readyz", TimeSpan.FromSeconds(60));
        return program;
    }

    public async Task<double> FigureAsync(string series) => (await GetAsync("/metrics")).Text.Split('\n')
        .Where(line => line.StartsWith(series, StringComparison.Ordinal) && line.Length > series.Length && line[series.Length] is ' ' or '{')
        .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    /// <summary>As a node that is gone: nothing is said, nothing given back.</summary>
    public async Task KillAsync()
    {
        _process.Signal(SidecarProcess.SigKill);
        await _process.WaitForExitAsync();
    }

    public async Task<int> StopAsync()
    {
        _process.Signal(SidecarProcess.SigTerm);
        return await _process.WaitForExitAsync(TimeSpan.FromSeconds(30));
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private async Task<bool> IsReadyAsync() =>
        _process.HasExited ? throw new InvalidOperationException($"the operator ended:\n{Output}") : (await GetAsync("/readyz")).Status == HttpStatusCode.OK;

    private async Task<(HttpStatusCode Status, string Text)> GetAsync(string path)
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{_httpPort}{path}")));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
