using System.Globalization;
using k8s;
using k8s.Models;
using Premortem.Testing;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>A namespace of a story's own, with a Secret <c>profiles-s3</c> for the bucket, where it keeps its captures below a prefix of its own.</summary>
public sealed class Shop : IAsyncDisposable
{
    public const string Secret = "profiles-s3";

    private readonly Ground _ground;
    private readonly TemporaryFolder _downloads = new();
    private readonly Dictionary<string, string> _images;

    private Shop(Ground ground, string name, Dictionary<string, string> images)
    {
        _ground = ground;
        _images = images;
        Name = name;
        Watch = new PodWatcher(ground.Cluster, name);
    }

    /// <summary>The namespace, which is the prefix in the bucket, too.</summary>
    public string Name { get; }

    public PodWatcher Watch { get; }

    /// <summary>What a policy has after <c>storage:</c>, as one line of YAML.</summary>
    public string Storage =>
        $"{{s3: {{bucket: {_ground.Bucket.Name}, prefix: {Name}, region: {_ground.Bucket.Region}, endpoint: \"{_ground.Bucket.PodEndpoint.AbsoluteUri.TrimEnd('/')}\", forcePathStyle: true, credentialsSecret: {Secret}}}}}";

    /// <summary>The reference of a sample's image: go-leak, dotnet-leak.</summary>
    public string Image(string name) => _images[name];

    internal static async Task<Shop> OpenAsync(Ground ground, string name, IDictionary<string, string>? labels)
    {
        var full = string.Create(CultureInfo.InvariantCulture, $"e2e-{name}-{Random.Shared.Next(0x10000):x4}");
        var all = new Dictionary<string, string>(labels ?? new Dictionary<string, string>()) { ["premortem.dev/e2e"] = "true" };
        await ground.Cluster.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new V1ObjectMeta { Name = full, Labels = all } });
        var images = new Dictionary<string, string>();
        foreach (var image in new[] { "go-leak", "dotnet-leak" })
            images[image] = await ground.Release.ImageAsync(image);
        var shop = new Shop(ground, full, images);
        await shop.GiveCredentialsAsync(ground.Bucket.AccessKey, ground.Bucket.SecretKey);
        // A pod that comes before its namespace's account is refused.
        await Eventually.IsTrueAsync(
            async () => (await ground.Cluster.Client.CoreV1.ListNamespacedServiceAccountAsync(full)).Items.Any(account => account.Name() == "default"),
            $"the default service account of {full}",
            TimeSpan.FromSeconds(30));
        return shop;
    }

    /// <summary>Writes the Secret that policies name.</summary>
    public Task GiveCredentialsAsync(string accessKey, string secretKey) => ApplyAsync(
        $$$"""
        apiVersion: v1
        kind: Secret
        metadata: {name: {{{Secret}}}}
        stringData: {accessKeyId: "{{{accessKey}}}", secretAccessKey: "{{{secretKey}}}"}
        """);

    public Task ApplyAsync(string manifests) => _ground.Cluster.ApplyAsync(manifests, Name);

    public Task<KubeCommand> KubectlAsync(params string[] arguments) => _ground.Cluster.KubectlAsync(["-n", Name, .. arguments]);

    /// <summary>
    /// Applies a ProfilePolicy for <c>app: NAME</c> with this spec (without selector and storage) and waits until the operator takes it: a pod that comes
    /// sooner gets no sidecar.
    /// </summary>
    public async Task ApplyPolicyAsync(string app, string spec)
    {
        await ApplyAsync(
            $$$"""
            apiVersion: premortem.dev/v1alpha1
            kind: ProfilePolicy
            metadata: {name: {{{app}}}}
            spec:
              selector: {matchLabels: {app: {{{app}}}}}
              storage: {{{Storage}}}
            {{{Indented(spec, 2)}}}
            """);
        await UntilPolicyIsReadyAsync(app);
    }

    public async Task UntilPolicyIsReadyAsync(string policy) =>
        (await KubectlAsync("wait", "--for=condition=Ready", "--timeout=30s", "profilepolicy/" + policy)).AssertOk();

    /// <summary>A Deployment of one pod with a container <c>app</c>, as YAML.</summary>
    /// <param name="name">Its name, and its pods' label <c>app</c>.</param>
    /// <param name="image">go-leak or dotnet-leak.</param>
    /// <param name="arguments">The sample's flags.</param>
    /// <param name="limit">Of memory.</param>
    /// <param name="pod">Further fields of the pod's spec.</param>
    /// <param name="container">Further fields of the container.</param>
    public string Deployment(string name, string image, string arguments, string limit = "256Mi", string pod = "", string container = "", int replicas = 1) =>
        $$$"""
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: {{{name}}}}
        spec:
          replicas: {{{replicas}}}
          selector: {matchLabels: {app: {{{name}}}}}
          template:
            metadata: {labels: {app: {{{name}}}}}
            spec:
              terminationGracePeriodSeconds: 5
        {{{Indented(pod, 6)}}}
              containers:
                - name: app
                  image: {{{Image(image)}}}
                  imagePullPolicy: IfNotPresent
                  args: [{{{string.Join(", ", arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => $"\"{word}\""))}}}]
                  resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: {{{limit}}}}}
        {{{Indented(container, 10)}}}
        """;

    /// <summary>What stands whole in the bucket, read back, in the order of its start.</summary>
    public async Task<IReadOnlyList<StoredCapture>> StoredAsync(string? pod = null) =>
        [.. (await _ground.Bucket.DownloadAsync(Name + "/", _downloads.File("bucket"))).Where(capture => pod is null || capture.Record.Target.Pod == pod)];

    /// <summary>The stored capture that a ProfileCapture speaks of, held against its manifest byte for byte.</summary>
    public async Task<StoredCapture> StoredAsync(CaptureView capture) =>
        Assert.Single(await StoredAsync(), stored => stored.Record.Id == capture.Id).AssertWhole();

    /// <summary>The plugin lists the capture, and fetches it whole with the credentials of the Secret that the policy names.</summary>
    public async Task AssertFetchedAsync(CaptureView capture)
    {
        var listed = (await PremortemAsync("captures", "-n", Name)).AssertOk().Output;
        Assert.Contains(capture.Name, listed, StringComparison.Ordinal);
        var folder = Path.Combine(_downloads.Path, "fetched", capture.Name);
        (await PremortemAsync("fetch", capture.Name, "-n", Name, "--credentials-from-secret", "-o", folder)).AssertOk();
        Assert.Equal(capture.Id, Assert.Single(StoredCapture.In(folder)).AssertWhole().Record.Id);
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Runs the kubectl plugin.</summary>
    public Task<KubeCommand> PremortemAsync(params string[] arguments) => KubeCommand.RunAsync(
        Repository.Built("artifacts/publish/premortem", "build"), [.. arguments, "--kubectl", KubeAssets.Kubectl], _ground.Cluster.Kubeconfig, home: null);

    /// <summary>The sidecar's container of a pod never ended; one that did has lost a target, or worse.</summary>
    public static void AssertSidecarNeverEnded(PodView pod) => Assert.Equal(0, pod.Restarts(Contracts.Names.SidecarContainer));

    /// <summary>Puts what a user would look at into a folder.</summary>
    public async Task CollectAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        await KeepAsync("objects.yaml", "get", "pods,deployments,statefulsets,daemonsets,jobs,profilepolicies,profilecaptures", "-o", "yaml");
        await KeepAsync("describe.txt", "describe", "pods");
        await KeepAsync("captures.txt", "get", "profilecaptures,profilepolicies", "-o", "wide");
        await KeepAsync("events.txt", "get", "events", "--sort-by=.lastTimestamp");
        foreach (var pod in await Watch.PodsAsync())
        {
            foreach (var status in (pod.Pod.Status?.InitContainerStatuses ?? []).Concat(pod.Pod.Status?.ContainerStatuses ?? []))
            {
                await KeepAsync($"{pod.Name}.{status.Name}.log", "logs", pod.Name, "-c", status.Name, "--tail=5000");
                if (status.RestartCount > 0)
                    await KeepAsync($"{pod.Name}.{status.Name}.previous.log", "logs", pod.Name, "-c", status.Name, "--previous", "--tail=5000");
            }
        }
        await WriteAsync("operator.log", await _ground.Cluster.KubectlAsync("logs", "-n", Release.Namespace, "-l", "app.kubernetes.io/name=premortem", "--prefix", "--tail=5000"));
        await WriteAsync("operator.yaml", await _ground.Cluster.KubectlAsync("get", "pods,deployments", "-n", Release.Namespace, "-o", "yaml"));
        await File.WriteAllLinesAsync(
            Path.Combine(folder, "bucket.txt"),
            (await _ground.Bucket.ListAsync(Name + "/")).Select(item => string.Create(CultureInfo.InvariantCulture, $"{item.LastModified:O} {item.Size,12} {item.Key}")));
        if (_ground.Cluster.IsOurs)
            await WriteAsync("node.txt", await Cluster.NodeAsync("logs", Path.Combine(folder, "node")));

        async Task KeepAsync(string file, params string[] arguments) => await WriteAsync(file, await KubectlAsync(arguments));

        Task WriteAsync(string file, KubeCommand command) =>
            File.WriteAllTextAsync(Path.Combine(folder, file), command.ExitCode == 0 ? command.Output : $"{command.Output}\n{command.Command} ended with {command.ExitCode}: {command.Error}\n");
    }

    public async ValueTask DisposeAsync()
    {
        _downloads.Dispose();
        if (Ground.Keep)
            return;
        await _ground.Cluster.KubectlAsync("delete", "namespace", Name, "--wait=false");
        await _ground.Bucket.DeleteAsync(Name + "/");
    }

    private static string Indented(string text, int by) =>
        string.Join('\n', text.Split('\n').Where(line => line.Length > 0).Select(line => new string(' ', by) + line));
}
