using k8s;
using Premortem.Testing;

namespace Premortem.EndToEnd.Tests;

/// <summary>
/// Premortem, installed from the chart with the images of IMAGE_REGISTRY (<c>registry.local/premortem</c>) and IMAGE_TAG (what <c>eng/images --tag</c>
/// says).
/// </summary>
public sealed class Release(Cluster cluster)
{
    public const string Namespace = "premortem-system";
    public const string Name = "premortem";
    public const string Deployment = "premortem";

    private const string Container = "operator";

    private readonly Lazy<Task<string>> _tag = new(TagAsync);

    public static string Registry { get; } = Environment.GetEnvironmentVariable("IMAGE_REGISTRY") is { Length: > 0 } given ? given.TrimEnd('/') : "registry.local/premortem";

    /// <summary>The reference of an image of ours: premortem-operator, premortem-sidecar, go-leak, dotnet-leak.</summary>
    public async Task<string> ImageAsync(string name) => $"{Registry}/{name}:{await _tag.Value}";

    /// <summary>Installs, or upgrades to what is asked for; returns when it is ready.</summary>
    /// <param name="settings">As after <c>--set</c>: <c>replicas=1</c>.</param>
    public async Task InstallAsync(params string[] settings)
    {
        var tag = await _tag.Value;
        // Helm installs CRDs once and never changes them.
        (await cluster.KubectlAsync("apply", "--validate=false", "-f", Repository.Path("charts", "premortem", "crds"))).AssertOk();
        (await cluster.HelmAsync([
            "upgrade", "--install", Name, Repository.Path("charts", "premortem"), "--namespace", Namespace, "--create-namespace",
            "--set", $"registry={Registry},image.tag={tag},sidecar.image.tag={tag},rbac.readGcTraces=true",
            .. settings.SelectMany(setting => new[] { "--set", setting }),
            "--wait", "--timeout", "180s",
            // A server before 1.25 does not know CEL rules, and refuses to apply what it does not know.
            .. cluster.Has(KubeFeature.Cel) ? Array.Empty<string>() : ["--server-side=false"],
        ])).AssertOk();
    }

    public async Task UninstallAsync()
    {
        await cluster.HelmAsync("uninstall", Name, "--namespace", Namespace, "--wait", "--timeout", "60s");
        await cluster.KubectlAsync("delete", "namespace", Namespace, "--wait=false");
    }

    /// <summary>Changes how many operators there are, and waits until they are that many.</summary>
    public async Task ScaleAsync(int replicas)
    {
        (await cluster.KubectlAsync("scale", "deployment", Deployment, "-n", Namespace, $"--replicas={replicas}")).AssertOk();
        // A pod whose program has ended may be listed for a minute more.
        await Eventually.Holds(
            async () => (await PodsAsync()).Where(pod => !(pod.IsDeleting && pod.LastEnd(Container) is not null)).ToList(),
            pods => pods.Count == replicas && pods.All(pod => pod.IsReady()),
            $"{replicas} operators",
            TimeSpan.FromSeconds(60));
    }

    public async Task<IReadOnlyList<PodView>> PodsAsync() =>
        [.. (await cluster.Client.CoreV1.ListNamespacedPodAsync(Namespace, labelSelector: "app.kubernetes.io/name=premortem")).Items.Select(pod => new PodView(pod))];

    private static async Task<string> TagAsync()
    {
        if (Environment.GetEnvironmentVariable("IMAGE_TAG") is { Length: > 0 } given)
            return given;
        var (code, output) = await ChildProcess.RunAsync(Repository.Path("eng", "images"), ["--tag"]);
        return code == 0 ? output.Trim() : throw new InvalidOperationException($"eng/images --tag: {output}");
    }
}
