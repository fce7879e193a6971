using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Xunit;

namespace Premortem.Testing;

/// <summary>
/// A real kube-apiserver over a real etcd, on ports of their own at 127.0.0.1, with RBAC. There is no node: pods stay as they are stored, and a
/// test writes their status itself. Without <see cref="KubeApiServerOptions.Controllers"/> nothing collects garbage, and a pod has no service
/// account unless it names one.
/// </summary>
public sealed class KubeApiServer : IAsyncDisposable
{
    /// <summary>Whom service account tokens are from, and for where a request does not say.</summary>
    public const string Issuer = "https://kubernetes.default.svc";

    // On the loopback interface, and no loopback address: endpoints may not have one.
    private const string RoutedAddress = "10.99.0.1";

    private static readonly Lazy<Task<KubeApiServer>> s_shared = new(() => StartAsync());
    private readonly KubeApiServerOptions _options;
    private readonly string _folder;
    private readonly KubePki _pki;
    private int _etcdPort;
    private int _port;
    private KubeProcess? _etcd, _server, _controllers;
    private bool _isDisposed;

    private KubeApiServer(KubeApiServerOptions options)
    {
        _options = options;
        _folder = NewFolder();
        _pki = new KubePki();
    }

    public Uri Url => new(string.Create(CultureInfo.InvariantCulture, $"https://127.0.0.1:{_port}"));

    /// <summary>The authority that signed the server's certificate; it signs those of a test's webhooks too.</summary>
    public KubePki Pki => _pki;

    /// <summary>A file that lets in as system:masters, whom no rule binds.</summary>
    public string AdminKubeconfig => Path.Combine(_folder, "admin.kubeconfig");

    /// <summary>A client that may do all.</summary>
    public Kubernetes Client { get; private set; } = null!;

    public KubeVersion Version { get; private set; }

    /// <summary>What the server wrote.</summary>
    public string Log => Path.Combine(_folder, "kube-apiserver.log");

    /// <summary>The one that the tests of an assembly share, started by the first that asks; it ends with the process.</summary>
    public static Task<KubeApiServer> SharedAsync() => s_shared.Value;

    /// <summary>One of a test's own: to be restarted, stopped, or started with flags.</summary>
    public static async Task<KubeApiServer> StartAsync(KubeApiServerOptions? options = null)
    {
        // Before anything is made: a missing part ends it here.
        _ = (KubeAssets.Etcd, KubeAssets.KubeApiServer);
        RemoveLeftovers();
        var server = new KubeApiServer(options ?? new KubeApiServerOptions());
        AppDomain.CurrentDomain.ProcessExit += (_, _) => server.DisposeAsync().AsTask().GetAwaiter().GetResult();
        try
        {
            await server.StartAllAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public bool Has(KubeFeature feature) => Version >= feature.Since;

    /// <summary>A namespace of a test's own.</summary>
    public Task<KubeNamespace> NewNamespaceAsync(IDictionary<string, string>? labels = null) => KubeNamespace.CreateAsync(this, labels);

    /// <summary>A token of a service account, which is made where it is missing.</summary>
    /// <param name="audience">null: the API server itself.</param>
    /// <param name="boundTo">A pod that runs as that account; the token ends with it.</param>
    public async Task<string> TokenAsync(string ns, string serviceAccount, string? audience = null, V1Pod? boundTo = null, TimeSpan? lifetime = null)
    {
        try
        {
            await Client.CoreV1.CreateNamespacedServiceAccountAsync(new V1ServiceAccount { Metadata = new V1ObjectMeta { Name = serviceAccount } }, ns);
        }
        catch (k8s.Autorest.HttpOperationException e) when (e.Response.StatusCode == HttpStatusCode.Conflict)
        {
            // It is there.
        }
        var request = await Client.CoreV1.CreateNamespacedServiceAccountTokenAsync(
            new Authenticationv1TokenRequest
            {
                Spec = new V1TokenRequestSpec
                {
                    Audiences = audience is null ? [] : [audience],
                    ExpirationSeconds = (long)(lifetime ?? TimeSpan.FromHours(1)).TotalSeconds,
                    BoundObjectRef = boundTo is null ? null : new V1BoundObjectReference { ApiVersion = "v1", Kind = "Pod", Name = boundTo.Name(), Uid = boundTo.Uid() },
                },
            },
            serviceAccount,
            ns);
        return request.Status.Token;
    }

    /// <summary>A client with a service account's rights and no others.</summary>
    public async Task<Kubernetes> ClientForAsync(string ns, string serviceAccount) => ClientWithToken(await TokenAsync(ns, serviceAccount));

    public Kubernetes ClientWithToken(string token) => new(new KubernetesClientConfiguration
    {
        Host = Url.ToString(),
        SslCaCerts = [System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(_pki.CaBundle)],
        AccessToken = token,
    });

    /// <summary>A kubeconfig file with a service account's token in it.</summary>
    public async Task<string> KubeconfigForAsync(string ns, string serviceAccount)
    {
        var path = Path.Combine(_folder, $"{ns}-{serviceAccount}.kubeconfig");
        WriteKubeconfig(path, serviceAccount, $"token: {await TokenAsync(ns, serviceAccount)}", ns);
        return path;
    }

    public Task<KubeCommand> KubectlAsync(params string[] arguments) => KubeCommand.RunAsync(KubeAssets.Kubectl, arguments, AdminKubeconfig, _folder);

    /// <summary>Applies manifests given as text, and fails the test where the server refuses them.</summary>
    public async Task ApplyAsync(string manifests, string? ns = null) => await ApplyAsync(manifests, ns is null ? [] : ["-n", ns]);

    /// <summary>As <see cref="ApplyAsync(string, string?)"/>, and what the server does not know is refused.</summary>
    public Task ApplyStrictlyAsync(string manifests) => ApplyAsync(manifests, ["--server-side", "--validate=strict"]);

    public Task<KubeCommand> HelmAsync(params string[] arguments) => KubeCommand.RunAsync(KubeAssets.Helm, arguments, AdminKubeconfig, _folder);

    /// <summary>
    /// Makes a Service lead to a program on this machine, for webhooks that name a service: the API server dials endpoints itself. Needs root, which
    /// alone can give the loopback interface an address that endpoints may have. Returns the address to listen at, and none where it cannot be.
    /// </summary>
    public async Task<IPAddress> RouteServiceAsync(string ns, string service, params int[] ports)
    {
        await NeedRoutedAddressAsync();
        var endpoints = new V1Endpoints
        {
            Metadata = new V1ObjectMeta { Name = service, NamespaceProperty = ns },
            Subsets =
            [
                // One port needs no name; a service's port finds its endpoint by the same name.
                .. ports.Select(port => new V1EndpointSubset
                {
                    Addresses = [new V1EndpointAddress { Ip = RoutedAddress }],
                    Ports = [new Corev1EndpointPort { Port = port, Name = ports.Length == 1 ? null : port.ToString(CultureInfo.InvariantCulture) }],
                }),
            ],
        };
        await ReplaceAsync(
            () => Client.CoreV1.CreateNamespacedServiceAsync(
                new V1Service
                {
                    Metadata = new V1ObjectMeta { Name = service, NamespaceProperty = ns },
                    Spec = new V1ServiceSpec
                    {
                        Ports = [.. ports.Select((port, i) => new V1ServicePort { Name = ports.Length == 1 ? null : port.ToString(CultureInfo.InvariantCulture), Port = i == 0 ? 443 : port, TargetPort = port })],
                    },
                },
                ns),
            () => Client.CoreV1.DeleteNamespacedServiceAsync(service, ns));
        await ReplaceAsync(() => Client.CoreV1.CreateNamespacedEndpointsAsync(endpoints, ns), () => Client.CoreV1.DeleteNamespacedEndpointsAsync(service, ns));
        return IPAddress.Parse(RoutedAddress);
    }

    /// <summary>Kills the API server; etcd, and what is stored, stays.</summary>
    public async Task StopApiServerAsync()
    {
        if (Interlocked.Exchange(ref _server, null) is { } server)
            await server.DisposeAsync();
    }

    /// <summary>Starts it again at the same port, and waits until it is ready.</summary>
    public async Task StartApiServerAsync()
    {
        _server = await KubeProcess.StartAsync(KubeAssets.KubeApiServer, ServerArguments(), Log);
        await UntilReadyAsync(_server, "kube-apiserver", TimeSpan.FromSeconds(120), async ct =>
        {
            using var http = Http();
            using var answer = await http.GetAsync(new Uri(Url, "/readyz"), ct);
            return answer.IsSuccessStatusCode;
        });
    }

    public async Task RestartAsync()
    {
        await StopApiServerAsync();
        await StartApiServerAsync();
    }

    /// <summary>Makes etcd forget all but the newest revision: who lists or watches from before that is told to begin anew.</summary>
    public async Task CompactAsync()
    {
        using var http = new HttpClient { BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{_etcdPort}")) };
        using var range = await http.PostAsJsonAsync("/v3/kv/range", new JsonObject { ["key"] = Convert.ToBase64String("/"u8), ["count_only"] = true });
        range.EnsureSuccessStatusCode();
        var revision = (await range.Content.ReadFromJsonAsync<JsonObject>())!["header"]!["revision"]!.GetValue<string>();
        using var compaction = await http.PostAsJsonAsync("/v3/kv/compaction", new JsonObject { ["revision"] = revision, ["physical"] = true });
        // The server compacts by itself too; where it was faster, all is as it should be.
        if (!compaction.IsSuccessStatusCode && (await compaction.Content.ReadAsStringAsync()) is var text && !text.Contains("has been compacted", StringComparison.Ordinal))
            Assert.Fail($"etcd did not compact: {text}");
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, true))
            return;
        Client?.Dispose();
        foreach (var process in new[] { _controllers, _server, _etcd })
        {
            if (process is not null)
                await process.DisposeAsync();
        }
        _pki.Dispose();
        if (Environment.GetEnvironmentVariable("TEST_KEEP_LOGS") is not { Length: > 0 })
            Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Creates, after removing what stands in the way.</summary>
    private static async Task ReplaceAsync(Func<Task> create, Func<Task> delete)
    {
        try
        {
            await create();
        }
        catch (k8s.Autorest.HttpOperationException e) when (e.Response.StatusCode == HttpStatusCode.Conflict)
        {
            await delete();
            await create();
        }
    }

    // The folder's name holds the process, so that what a killed one left behind can be told from what is in use.
    private static string NewFolder() =>
        Directory.CreateTempSubdirectory(string.Create(CultureInfo.InvariantCulture, $"premortem-kube-{Environment.ProcessId}-")).FullName;

    private static void RemoveLeftovers()
    {
        if (Environment.GetEnvironmentVariable("TEST_KEEP_LOGS") is { Length: > 0 })
            return;
        foreach (var folder in Directory.EnumerateDirectories(Path.GetTempPath(), "premortem-kube-*"))
        {
            var pid = Path.GetFileName(folder).Split('-')[2];
            if (Directory.Exists($"/proc/{pid}"))
                continue;
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Another's, or another run removes it just now.
            }
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task NeedRoutedAddressAsync()
    {
        Need.Part(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, $"an address for endpoints: only root can give {RoutedAddress} to the loopback interface");
        var (code, output) = await ChildProcess.RunAsync("/bin/sh", ["-c", $"PATH=$PATH:/usr/sbin:/sbin; ip -o addr show dev lo | grep -q ' {RoutedAddress}/' || ip addr add {RoutedAddress}/32 dev lo"]);
        // Two test runs may do it at once; then one of them is told that it exists.
        if (code != 0)
            (code, output) = await ChildProcess.RunAsync("/bin/sh", ["-c", $"PATH=$PATH:/usr/sbin:/sbin; ip -o addr show dev lo | grep -q ' {RoutedAddress}/'"]);
        Need.Part(code == 0, $"an address for endpoints, {RoutedAddress} on the loopback interface: {output}");
    }

    private static async Task UntilReadyAsync(KubeProcess process, string name, TimeSpan within, Func<CancellationToken, Task<bool>> isReady)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (process.HasExited)
                throw new InvalidOperationException($"{name} ended:\n{process.Tail()}");
            try
            {
                using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(5));
                if (await isReady(deadline.Token))
                    return;
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // Not yet.
            }
            if (clock.Elapsed > within)
                throw new InvalidOperationException($"{name} is not ready after {within.TotalSeconds:0} s:\n{process.Tail()}");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    }

    private async Task ApplyAsync(string manifests, string[] arguments) =>
        (await KubeCommand.RunAsync(KubeAssets.Kubectl, ["apply", "-f", "-", .. arguments], AdminKubeconfig, _folder, manifests)).AssertOk();

    private async Task StartAllAsync()
    {
        WriteCredentials();
        // Between the moment a port is found free and the moment it is taken another may take it.
        for (var attempt = 1; ; attempt++)
        {
            (_etcdPort, _port) = (FreePort(), FreePort());
            try
            {
                await StartEtcdAsync();
                await StartApiServerAsync();
                break;
            }
            catch (InvalidOperationException) when (attempt < 3 && (_etcd?.HasExited == true || _server?.HasExited == true))
            {
                await StopApiServerAsync();
                await _etcd!.DisposeAsync();
            }
        }
        WriteAdminKubeconfig();
        Client = new Kubernetes(KubernetesClientConfiguration.BuildConfigFromConfigFile(AdminKubeconfig));
        var version = await Client.Version.GetCodeAsync();
        Version = KubeVersion.Parse($"{version.Major}.{version.Minor}");
        // Roles are made after the server says that it is ready, where it is an old one.
        await Eventually.Holds(
            async () => (await Client.CoreV1.ListNamespaceAsync()).Items.Select(ns => ns.Name()).ToHashSet(),
            names => names.IsSupersetOf(["default", "kube-system"]),
            "the server's own namespaces",
            TimeSpan.FromSeconds(30));
        if (_options.Controllers)
            await StartControllersAsync();
    }

    private void WriteCredentials()
    {
        var (certificate, key) = _pki.IssueServer("127.0.0.1", "localhost", "kubernetes.default.svc", "10.96.0.1");
        Write("ca.crt", _pki.CaBundle);
        Write("server.crt", certificate);
        Write("server.key", key);
        using var tokens = RSA.Create(2048);
        Write("tokens.key", tokens.ExportRSAPrivateKeyPem());
        Write("tokens.pub", tokens.ExportSubjectPublicKeyInfoPem());
    }

    private void WriteAdminKubeconfig()
    {
        var (certificate, key) = _pki.IssueClient("admin", "system:masters");
        WriteKubeconfig(AdminKubeconfig, "admin", $"client-certificate-data: {Base64(certificate)}, client-key-data: {Base64(key)}");
    }

    private async Task StartEtcdAsync()
    {
        var client = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{_etcdPort}");
        _etcd = await KubeProcess.StartAsync(
            KubeAssets.Etcd,
            ["--data-dir", Path.Combine(_folder, "etcd"), "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", "http://127.0.0.1:0"],
            Path.Combine(_folder, "etcd.log"),
            // What a variable says an etcd that does not know it passes over; a flag would end it.
            new Dictionary<string, string> { ["ETCD_UNSAFE_NO_FSYNC"] = "true" });
        await UntilReadyAsync(_etcd, "etcd", TimeSpan.FromSeconds(60), async ct =>
        {
            using var http = new HttpClient();
            using var answer = await http.GetAsync(new Uri(client + "/health"), ct);
            return answer.IsSuccessStatusCode;
        });
    }

    // Flags that stand in 1.20 as in 1.36.
    private string[] ServerArguments() =>
    [
        "--bind-address=127.0.0.1",
        string.Create(CultureInfo.InvariantCulture, $"--secure-port={_port}"),
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        string.Create(CultureInfo.InvariantCulture, $"--etcd-servers=http://127.0.0.1:{_etcdPort}"),
        "--service-cluster-ip-range=10.96.0.0/16",
        $"--cert-dir={_folder}",
        $"--tls-cert-file={_folder}/server.crt",
        $"--tls-private-key-file={_folder}/server.key",
        $"--client-ca-file={_folder}/ca.crt",
        $"--service-account-issuer={Issuer}",
        $"--service-account-key-file={_folder}/tokens.pub",
        $"--service-account-signing-key-file={_folder}/tokens.key",
        "--authorization-mode=RBAC",
        // It dials a service's endpoints itself: no kube-proxy is here.
        "--enable-aggregator-routing=true",
        "--allow-privileged=true",
        .. _options.Controllers ? Array.Empty<string>() : ["--disable-admission-plugins=ServiceAccount"],
        .. _options.ExtraArguments,
    ];

    private async Task StartControllersAsync()
    {
        var program = KubeAssets.KubeControllerManager;
        KubeNeed.Controllers();
        _controllers = await KubeProcess.StartAsync(
            program!,
            [
                $"--kubeconfig={AdminKubeconfig}", "--leader-elect=false", "--secure-port=0", "--controllers=*",
                $"--service-account-private-key-file={_folder}/tokens.key", $"--root-ca-file={_folder}/ca.crt", $"--cert-dir={_folder}",
                // A second, insecure port; newer ones do not know it and it is off there.
                .. Version < new KubeVersion(1, 24) ? new[] { "--port=0" } : [],
            ],
            Path.Combine(_folder, "kube-controller-manager.log"));
        await UntilReadyAsync(_controllers, "kube-controller-manager", TimeSpan.FromSeconds(60), async ct =>
            (await Client.CoreV1.ListNamespacedServiceAccountAsync("default", cancellationToken: ct)).Items.Any(account => account.Name() == "default"));
    }

    private HttpClient Http()
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        // The process was started by this test and answers at a port of its own.
        handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        return new HttpClient(handler);
    }

    private void WriteKubeconfig(string path, string user, string credentials, string ns = "default") => Write(path, $$"""
        apiVersion: v1
        kind: Config
        current-context: test
        clusters: [{name: test, cluster: {server: "{{Url}}", certificate-authority-data: {{Base64(_pki.CaBundle)}} } }]
        users: [{name: {{user}}, user: { {{credentials}} } }]
        contexts: [{name: test, context: {cluster: test, user: {{user}}, namespace: {{ns}} } }]
        """);

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    // The folder is ours alone to enter.
    private void Write(string name, string content) => File.WriteAllText(Path.Combine(_folder, name), content);
}
