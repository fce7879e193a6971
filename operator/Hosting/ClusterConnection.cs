using k8s;

namespace Premortem.Operator.Hosting;

/// <summary>How the API server is reached.</summary>
internal static class ClusterConnection
{
    /// <exception cref="k8s.Exceptions.KubeConfigException">There is no way to it.</exception>
    public static KubernetesClientConfiguration Configuration(string? kubeconfig)
    {
        var configuration = kubeconfig is null && KubernetesClientConfiguration.IsInCluster()
            ? KubernetesClientConfiguration.InClusterConfig()
            : KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig ?? FromEnvironment());
        configuration.UserAgent = $"premortem-operator/{Product.Release}";
        return configuration;
    }

    private static string? FromEnvironment() =>
        Environment.GetEnvironmentVariable("KUBECONFIG") is { Length: > 0 } files ? files.Split(Path.PathSeparator)[0] : null;
}
