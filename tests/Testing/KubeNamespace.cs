using System.Globalization;
using k8s;
using k8s.Autorest;
using k8s.Models;

namespace Premortem.Testing;

/// <summary>A namespace of a test's own, emptied and removed as well as that goes when the test ends.</summary>
public sealed class KubeNamespace : IAsyncDisposable
{
    private static int s_made;

    private KubeNamespace(KubeApiServer server, string name)
    {
        Server = server;
        Name = name;
    }

    public string Name { get; }

    public KubeApiServer Server { get; }

    internal static async Task<KubeNamespace> CreateAsync(KubeApiServer server, IDictionary<string, string>? labels)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"test-{Environment.ProcessId}-{Interlocked.Increment(ref s_made)}-{Random.Shared.Next(0x10000):x4}");
        // Old servers do not put their label on by themselves, and webhooks tell namespaces apart by it.
        var all = new Dictionary<string, string>(labels ?? new Dictionary<string, string>()) { ["kubernetes.io/metadata.name"] = name };
        await server.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new V1ObjectMeta { Name = name, Labels = all } });
        return new KubeNamespace(server, name);
    }

    public async ValueTask DisposeAsync()
    {
        var client = Server.Client;
        // Nobody else does that where no controller manager runs. What is left harms nobody: names are never used twice.
        await Task.WhenAll(
            Quietly(() => client.CoreV1.DeleteCollectionNamespacedPodAsync(Name, gracePeriodSeconds: 0)),
            Quietly(() => client.CoreV1.DeleteCollectionNamespacedSecretAsync(Name)),
            Quietly(() => client.CoreV1.DeleteCollectionNamespacedConfigMapAsync(Name)),
            Quietly(() => client.CoreV1.DeleteCollectionNamespacedEndpointsAsync(Name)),
            Quietly(() => client.CoreV1.DeleteCollectionNamespacedEventAsync(Name)),
            Quietly(() => client.AppsV1.DeleteCollectionNamespacedReplicaSetAsync(Name)),
            Quietly(() => client.AppsV1.DeleteCollectionNamespacedDeploymentAsync(Name)),
            Quietly(() => client.BatchV1.DeleteCollectionNamespacedJobAsync(Name)),
            Quietly(() => client.CoordinationV1.DeleteCollectionNamespacedLeaseAsync(Name)),
            Quietly(() => client.CustomObjects.DeleteCollectionNamespacedCustomObjectAsync("premortem.dev", "v1alpha1", Name, "profilepolicies")),
            Quietly(() => client.CustomObjects.DeleteCollectionNamespacedCustomObjectAsync("premortem.dev", "v1alpha1", Name, "profilecaptures")));
        await Quietly(() => client.CoreV1.DeleteNamespaceAsync(Name));
        await Quietly(async () =>
        {
            var ns = await client.CoreV1.ReadNamespaceAsync(Name);
            ns.Spec.Finalizers = [];
            await client.CoreV1.ReplaceNamespaceFinalizeAsync(ns, Name);
        });
    }

    private static async Task Quietly(Func<Task> deletion)
    {
        try
        {
            await deletion();
        }
        catch (Exception e) when (e is HttpOperationException or HttpRequestException or OperationCanceledException)
        {
            // The test has its verdict already.
        }
    }
}
