namespace Premortem.Testing;

/// <summary>
/// The programs that make an API server, found as envtest finds them: <c>TEST_ASSET_…</c>, then <c>KUBEBUILDER_ASSETS</c>, then
/// <c>/usr/local/kubebuilder/bin</c>, and then the cache that <c>make cluster-assets</c> fills.
/// </summary>
public static class KubeAssets
{
    public static string Etcd => Needed("etcd");

    public static string KubeApiServer => Needed("kube-apiserver");

    public static string Kubectl => Needed("kubectl");

    public static string Helm => Needed("helm");

    /// <summary>No part of envtest: null where nobody brought it.</summary>
    public static string? KubeControllerManager => Find("kube-controller-manager");

    /// <summary>The program's path, or null.</summary>
    public static string? Find(string program)
    {
        if (Environment.GetEnvironmentVariable("TEST_ASSET_" + program.ToUpperInvariant().Replace('-', '_')) is { Length: > 0 } asset)
            return asset;
        return Folders().Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
    }

    private static string Needed(string program)
    {
        var path = Find(program);
        Need.Part(path is not null && File.Exists(path), path is null ? $"{program} is missing: run 'make cluster-assets', or set KUBEBUILDER_ASSETS" : $"{path} is not there");
        return path!;
    }

    private static IEnumerable<string> Folders()
    {
        if (Environment.GetEnvironmentVariable("KUBEBUILDER_ASSETS") is { Length: > 0 } assets)
            yield return assets;
        yield return "/usr/local/kubebuilder/bin";
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } home
            ? home
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        yield return Path.Combine(cache, "premortem", "cluster", "bin");
        // What only people install themselves; a server is never taken from there.
        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
            yield return folder;
    }
}
