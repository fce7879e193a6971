using System.Net;
using k8s;
using Premortem.Testing;
using Xunit;

namespace Premortem.EndToEnd.Tests;

/// <summary>The cluster that KUBECONFIG names; without it the one that <c>tests/cluster/cluster node</c> has brought up.</summary>
public sealed class Cluster : IDisposable
{
    private Cluster(string kubeconfig, bool isOurs, Kubernetes client, KubeVersion version, IPAddress? machine)
    {
        Kubeconfig = kubeconfig;
        IsOurs = isOurs;
        Client = client;
        ServerVersion = version;
        Machine = machine;
    }

    public string Kubeconfig { get; }

    /// <summary>Whether it is the script's, whose node may be broken and mended.</summary>
    public bool IsOurs { get; }

    public Kubernetes Client { get; }

    public KubeVersion ServerVersion { get; }

    /// <summary>Where pods reach this machine; null where they do not.</summary>
    public IPAddress? Machine { get; }

    public static async Task<Cluster> ConnectAsync()
    {
        var own = (await NodeAsync("kubeconfig")).Output.Trim();
        var given = Environment.GetEnvironmentVariable("KUBECONFIG");
        var kubeconfig = given is { Length: > 0 } ? Path.GetFullPath(given) : own;
        var isOurs = kubeconfig == own;
        Need.Part(File.Exists(kubeconfig), $"a cluster with a node: {kubeconfig} is not there; set KUBECONFIG, or run tests/cluster/cluster node");
        var client = new Kubernetes(KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig));
        var version = await client.Version.GetCodeAsync();
        var address = Environment.GetEnvironmentVariable("E2E_ADDRESS");
        if (isOurs && string.IsNullOrEmpty(address))
            address = (await NodeAsync("address")).AssertOk().Output.Trim();
        var nodes = await client.CoreV1.ListNodeAsync();
        Need.Part(
            nodes.Items.Any(node => node.Status.Conditions.Any(condition => condition is { Type: "Ready", Status: "True" })),
            $"a node that is ready: the cluster of {kubeconfig} has none");
        return new Cluster(kubeconfig, isOurs, client, KubeVersion.Parse($"{version.Major}.{version.Minor}"), string.IsNullOrEmpty(address) ? null : IPAddress.Parse(address));
    }

    public bool Has(KubeFeature feature) => ServerVersion >= feature.Since;

    /// <summary>Skips the test where the server is too old for it.</summary>
    public void NeedFeature(KubeFeature feature)
    {
        if (!Has(feature))
            Assert.Skip($"Kubernetes {ServerVersion} has no {feature.What}, which came with {feature.Since}");
    }

    /// <summary>Skips the test where the node is not ours to break.</summary>
    public void NeedOwnNode()
    {
        if (!IsOurs)
            Assert.Skip("this story breaks parts of the node, and the node is not that of tests/cluster/cluster");
    }

    /// <summary>Runs <c>tests/cluster/cluster</c>: restart NAME, stop NAME, start NAME, logs DIR.</summary>
    public static Task<KubeCommand> NodeAsync(params string[] arguments) =>
        KubeCommand.RunAsync(Repository.Path("tests", "cluster", "cluster"), arguments, kubeconfig: null, home: null);

    public Task<KubeCommand> KubectlAsync(params string[] arguments) => KubeCommand.RunAsync(KubeAssets.Kubectl, arguments, Kubeconfig, home: null);

    public Task<KubeCommand> HelmAsync(params string[] arguments) =>
        KubeCommand.RunAsync(KubeAssets.Helm, arguments, Kubeconfig, home: null, timeout: TimeSpan.FromMinutes(5));

    /// <summary>Applies manifests given as text, and fails the test where the server refuses them.</summary>
    public async Task ApplyAsync(string manifests, string? ns = null) =>
        (await TryApplyAsync(manifests, ns)).AssertOk();

    public Task<KubeCommand> TryApplyAsync(string manifests, string? ns = null) =>
        KubeCommand.RunAsync(KubeAssets.Kubectl, ["apply", "-f", "-", .. ns is null ? Array.Empty<string>() : ["-n", ns]], Kubeconfig, home: null, input: manifests);

    public void Dispose() => Client.Dispose();
}
