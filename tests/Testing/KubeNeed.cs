using Xunit;

namespace Premortem.Testing;

/// <summary>What a test needs of the API server. An old one is no fault of the machine: such a test is skipped, under CI too.</summary>
public static class KubeNeed
{
    /// <param name="what">What the server lacks, for the reason.</param>
    public static void Server(KubeApiServer server, KubeVersion atLeast, string what)
    {
        if (server.Version < atLeast)
            Assert.Skip($"Kubernetes {server.Version} has no {what}, which came with {atLeast}");
    }

    public static void Server(KubeApiServer server, KubeFeature feature) => Server(server, feature.Since, feature.What);

    /// <summary>kube-controller-manager, which envtest does not bring.</summary>
    public static void Controllers()
    {
        if (KubeAssets.KubeControllerManager is null)
            Assert.Skip("kube-controller-manager is missing, which envtest does not bring: run 'make cluster-assets'");
    }
}
