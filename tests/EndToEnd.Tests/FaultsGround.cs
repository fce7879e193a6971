using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>
/// A shop with a way to the bucket of its own, so that one story can break it and no other notices. What it asks, it asks as a user does:
/// kubectl, and the bucket.
/// </summary>
internal sealed class FaultsGround : IAsyncDisposable
{
    public const string Policy = "story";

    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly Bucket _bucket;

    public FaultsGround(Cluster cluster, Bucket bucket, Shop shop)
    {
        // The proxy that all share says whether pods reach this machine at all, and skips the story where they do not.
        _ = bucket.Proxy;
        (_bucket, Shop) = (bucket, shop);
        Proxy = FaultProxy.Before(new Uri(bucket.Client.Config.ServiceURL), cluster.Machine);
    }

    public Shop Shop { get; }

    public string Namespace => Shop.Name;

    public FaultProxy Proxy { get; }

    public Task<KubeCommand> KubectlAsync(params string[] arguments) => Shop.KubectlAsync(arguments);

    public async Task<KubeCommand> MustAsync(params string[] arguments) => (await KubectlAsync(arguments)).AssertOk();

    public Task ApplyAsync(string yaml) => Shop.ApplyAsync(yaml);

    /// <summary>The story's policy, for pods with the label <c>watched: "yes"</c>.</summary>
    /// <param name="triggers">As YAML's flow: <c>[{name: half, memoryUsage: {threshold: 50%}}]</c>.</param>
    public async Task ApplyPolicyAsync(string triggers, string captures = "[{type: Heap}, {type: Process}]", string more = "", string secret = Shop.Secret)
    {
        await ApplyAsync($$"""
        apiVersion: premortem.dev/v1alpha1
        kind: ProfilePolicy
        metadata: {name: {{Policy}}}
        spec:
          selector: {matchLabels: {watched: "yes"} }
          triggers: {{triggers}}
          captures: {{captures}}
          {{more}}
          storage:
            s3:
              bucket: {{_bucket.Name}}
              prefix: {{Namespace}}
              region: {{_bucket.Region}}
              endpoint: {{Proxy.Endpoint.AbsoluteUri.TrimEnd('/')}}
              forcePathStyle: true
              credentialsSecret: {{secret}}
        """);
        await Shop.UntilPolicyIsReadyAsync(Policy);
    }

    /// <summary>What stands in a pod's template: a Go program in an image without anything else, that may do nothing it need not.</summary>
    public string GoPod(string arguments, string memory = "256Mi", string more = "") => Pod([Container("app", Shop.Image("go-leak"), arguments, memory)], more);

    public static string Container(string name, string image, string arguments, string memory, string more = "") => $$"""
        {name: {{name}}, image: "{{image}}", imagePullPolicy: IfNotPresent, args: [{{arguments}}], {{more}}
         resources: {requests: {cpu: 5m, memory: 16Mi}, limits: {memory: {{memory}} } },
         securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]} } }
        """.ReplaceLineEndings(" ");

    public static string Pod(string[] containers, string more = "") => $$"""
        {securityContext: {runAsNonRoot: true, runAsUser: 4711, runAsGroup: 4711, seccompProfile: {type: RuntimeDefault} },
         automountServiceAccountToken: false, {{more}} containers: [{{string.Join(", ", containers)}}]}
        """.ReplaceLineEndings(" ");

    public Task ApplyDeploymentAsync(string name, string pod, int replicas = 1, string annotations = "{}") => ApplyWorkloadAsync(
        "Deployment", name, pod, string.Create(CultureInfo.InvariantCulture, $"replicas: {replicas}"), annotations);

    public Task ApplyWorkloadAsync(string kind, string name, string pod, string more = "", string annotations = "{}") => ApplyAsync($$"""
        apiVersion: {{(kind == "Job" ? "batch/v1" : "apps/v1")}}
        kind: {{kind}}
        metadata: {name: {{name}}}
        spec:
          {{more}}
          {{(kind == "Job" ? "" : $"selector: {{matchLabels: {{app: {name}}}}}")}}
          template:
            metadata: {labels: {app: {{name}}, watched: "yes"}, annotations: {{annotations}} }
            spec: {{pod}}
        """);

    public async Task<JsonNode> GetAsync(params string[] what) => JsonNode.Parse((await MustAsync(["get", .. what, "-o", "json"])).Output)!;

    /// <summary>The pods of an app that are not about to go.</summary>
    public async Task<IReadOnlyList<JsonNode>> PodsAsync(string app) =>
        [.. Items(await GetAsync("pods", "-l", $"app={app}")).Where(pod => pod["metadata"]!["deletionTimestamp"] is null)];

    /// <summary>The app's pod, once its sidecar knows where the profiles of these containers are.</summary>
    public async Task<JsonNode> WatchedPodAsync(string app, params string[] containers)
    {
        string[] all = containers.Length > 0 ? containers : ["app"];
        var pods = await Eventually.Holds(
            () => PodsAsync(app),
            pods => pods.Any(pod => all.All(container => IsWatched(pod, container))),
            $"{app} in {Namespace}: a sidecar that knows where the profiles of {string.Join(", ", all)} are",
            Patience);
        return pods.First(pod => all.All(container => IsWatched(pod, container)));
    }

    public async Task<JsonNode> RunningPodAsync(string app) => (await Eventually.Holds(
        () => PodsAsync(app), pods => pods.Any(pod => Text(pod["status"]?["phase"]) == "Running"), $"{app} in {Namespace} runs", Patience))[0];

    /// <summary>Waits until nothing of a pod runs; an old kubelet keeps the object of such a one for a while, and tells late.</summary>
    /// <returns>When its last container ended, after it was deleted; null: the object was gone before it told.</returns>
    public async Task<TimeSpan?> PodEndedAsync(string name)
    {
        var pods = await Eventually.Holds(
            async () => Items(await GetAsync("pods", "--field-selector", $"metadata.name={name}")), pods => pods.All(HasEnded), $"{name} in {Namespace} ends", Patience);
        if (pods is not [var pod])
            return null;
        var ends = new[] { "containerStatuses", "initContainerStatuses" }
            .SelectMany(field => pod["status"]?[field]?.AsArray() ?? [])
            .Select(status => Text(status!["state"]?["terminated"]?["finishedAt"]))
            .OfType<string>()
            .Select(Time)
            .ToList();
        // It is deleted at the end of its grace period.
        return ends.Count == 0 || Text(pod["metadata"]!["deletionTimestamp"]) is not { } deleted
            ? null
            : ends.Max() - Time(deleted).AddSeconds(-(double?)pod["metadata"]!["deletionGracePeriodSeconds"] ?? 0);

        static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
    }

    public static bool HasSidecar(JsonNode pod) => Containers(pod).Any(container => Text(container["name"]) == Names.SidecarContainer);

    public static bool IsWatched(JsonNode pod, string container) =>
        Text(pod["metadata"]!["annotations"]?[Names.StatusAnnotation]) is { } status
        && JsonNode.Parse(status)!["targets"] is JsonArray targets
        && targets.Any(target => Text(target!["container"]) == container && target["profiles"] is not null);

    public static string NameOf(JsonNode thing) => Text(thing["metadata"]!["name"])!;

    public static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    /// <summary>How often a container of a pod was started again; the sidecar is among the init containers where it is native.</summary>
    public static int RestartsOf(JsonNode pod, string container) => (int?)StatusOf(pod, container)?["restartCount"] ?? 0;

    public static JsonNode? StatusOf(JsonNode pod, string container) =>
        new[] { "containerStatuses", "initContainerStatuses" }
            .SelectMany(field => pod["status"]?[field]?.AsArray() ?? [])
            .FirstOrDefault(status => Text(status!["name"]) == container);

    public async Task<IReadOnlyList<JsonNode>> CapturesAsync() => Items(await GetAsync("profilecaptures"));

    /// <summary>Waits for a record.</summary>
    public async Task<JsonNode> CaptureAsync(string what, Func<JsonNode, bool> which, TimeSpan? timeout = null)
    {
        JsonNode? found = null;
        await Eventually.Holds(
            CapturesAsync,
            captures => (found = captures.FirstOrDefault(which)) is not null,
            $"{Namespace}: {what}",
            timeout ?? Patience);
        return found!;
    }

    public Task<JsonNode> StoredCaptureOfAsync(string pod, string container = "app", TimeSpan? timeout = null) =>
        CaptureAsync($"a stored capture of {container} in {pod}", capture => IsOf(capture, pod, container) && IsStored(capture), timeout);

    public static bool IsOf(JsonNode capture, string pod, string container = "app") =>
        Text(capture["spec"]!["podName"]) == pod && Text(capture["status"]?["container"] ?? capture["spec"]!["container"]) == container;

    public static bool IsStored(JsonNode capture) => Condition(capture, "Stored")?["status"] is { } status && Text(status) == "True";

    public static JsonNode? Condition(JsonNode thing, string type) =>
        thing["status"]?["conditions"] is JsonArray conditions ? conditions.FirstOrDefault(condition => Text(condition!["type"]) == type) : null;

    /// <summary>Waits until a condition of the story's policy has this status and reason.</summary>
    public Task PolicySaysAsync(string condition, string status, string reason) => Eventually.Holds(
        async () => Condition(await GetAsync("profilepolicy", Policy), condition),
        said => said is not null && Text(said["status"]) == status && Text(said["reason"]) == reason,
        $"{Namespace}: the policy's condition {condition} is {status}, {reason}",
        Patience);

    /// <summary>Holds the bucket against the manifest: every file that it promises is there, byte for byte.</summary>
    public async Task<CaptureRecord> AssertWholeAsync(JsonNode capture)
    {
        var location = new Uri(Text(capture["status"]!["location"])!);
        Assert.Equal(_bucket.Name, location.Host);
        return await AssertWholeAsync(location.AbsolutePath.Trim('/') + "/");
    }

    public async Task<CaptureRecord> AssertWholeAsync(string folder)
    {
        var record = StoredCapture.Parse(await ReadAsync(folder + Names.Manifest));
        var kept = record.Artifacts.Where(artifact => artifact.Sha256 is not null).ToList();
        Assert.NotEmpty(kept);
        foreach (var artifact in kept)
            Assert.Equal(artifact.Sha256, Convert.ToHexStringLower(SHA256.HashData(await ReadAsync(folder + artifact.Key))));
        return record;
    }

    /// <summary>The folders below the story's prefix that have a manifest.</summary>
    public async Task<IReadOnlyList<string>> WholeFoldersAsync() =>
    [
        .. (await _bucket.ListAsync(Namespace + "/")).Select(item => item.Key)
            .Where(key => key.EndsWith("/" + Names.Manifest, StringComparison.Ordinal))
            .Select(key => key[..^Names.Manifest.Length]),
    ];

    public ValueTask DisposeAsync() => Proxy.DisposeAsync();

    public static IReadOnlyList<JsonNode> Items(JsonNode list) => [.. list["items"]!.AsArray().Select(item => item!)];

    private static IEnumerable<JsonNode> Containers(JsonNode pod) =>
        new[] { "containers", "initContainers" }.SelectMany(field => pod["spec"]![field]?.AsArray() ?? []).Select(container => container!);

    private static bool HasEnded(JsonNode pod) =>
        Containers(pod).All(container => StatusOf(pod, Text(container["name"])!)?["state"]?["terminated"] is not null);

    private async Task<byte[]> ReadAsync(string key)
    {
        using var answer = await _bucket.Client.GetObjectAsync(_bucket.Name, key);
        using var content = new MemoryStream();
        await answer.ResponseStream.CopyToAsync(content);
        return content.ToArray();
    }
}
