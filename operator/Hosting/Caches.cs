using k8s;
using Premortem.Operator.Policies;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Hosting;

/// <summary>The local copies of what the operator watches; every replica has them.</summary>
internal sealed class Caches
{
    public Caches(IKubernetes client, OperatorOptions options, ILoggerFactory loggers, TimeProvider time)
    {
        PolicyApi = new ResourceApi<PolicyResource>(client, PolicyResource.Type);
        ClusterPolicyApi = new ResourceApi<PolicyResource>(client, PolicyResource.ClusterType);
        PodApi = new ResourceApi<Pod>(client, Pod.Type);
        NamespaceApi = new ResourceApi<Namespace>(client, Namespace.Type);
        CaptureApi = new ResourceApi<ProfileCapture>(client, ProfileCapture.Type);
        Policies = Informer(PolicyApi);
        ClusterPolicies = Informer(ClusterPolicyApi);
        Captures = Informer(CaptureApi, CaptureIndex.Trim);
        Namespaces = Informer(NamespaceApi, item => item with { Metadata = item.Metadata with { Annotations = null, Finalizers = null } });
        Nodes = Informer(new ResourceApi<Node>(client, Node.Type), item => item with { Metadata = item.Metadata with { Annotations = null, Labels = null } });
        Pods = Informer(PodApi, PodTrim.Trim);
        Index = new PolicyIndex(Policies, ClusterPolicies);

        Informer<T> Informer<T>(ResourceApi<T> api, Func<T, T>? trim = null) where T : class, IResource =>
            new(api, new InformerOptions<T> { Resync = options.Resync, Trim = trim }, time, loggers.CreateLogger($"Premortem.Runtime.Informer.{api.Type.Plural}"));
    }

    public ResourceApi<PolicyResource> PolicyApi { get; }

    public ResourceApi<PolicyResource> ClusterPolicyApi { get; }

    public ResourceApi<Pod> PodApi { get; }

    public ResourceApi<Namespace> NamespaceApi { get; }

    public ResourceApi<ProfileCapture> CaptureApi { get; }

    public Informer<PolicyResource> Policies { get; }

    public Informer<PolicyResource> ClusterPolicies { get; }

    public Informer<ProfileCapture> Captures { get; }

    public Informer<Namespace> Namespaces { get; }

    public Informer<Node> Nodes { get; }

    public Informer<Pod> Pods { get; }

    public PolicyIndex Index { get; }

    /// <summary>Whether every policy is known, so that injecting can be decided.</summary>
    public bool KnowsPolicies => Policies.HasSynced && ClusterPolicies.HasSynced;

    public IEnumerable<(ResourceType Type, bool HasSynced, InformerFigures Figures)> All =>
    [
        (Policies.Type, Policies.HasSynced, Policies.Figures),
        (ClusterPolicies.Type, ClusterPolicies.HasSynced, ClusterPolicies.Figures),
        (Captures.Type, Captures.HasSynced, Captures.Figures),
        (Namespaces.Type, Namespaces.HasSynced, Namespaces.Figures),
        (Nodes.Type, Nodes.HasSynced, Nodes.Figures),
        (Pods.Type, Pods.HasSynced, Pods.Figures),
    ];

    /// <summary>What is not there yet, in words; null: nothing.</summary>
    public string? Missing()
    {
        var missing = All.Where(cache => !cache.HasSynced).Select(cache => cache.Type.Group == PolicyResource.Type.Group
            ? $"{cache.Type} (is its CRD there? kubectl apply -f crds/)"
            : cache.Type.ToString()).ToArray();
        return missing.Length == 0 ? null : $"not read yet: {string.Join(", ", missing)}";
    }

    public Task RunAsync(CancellationToken ct) => Task.WhenAll(
        Policies.RunAsync(ct), ClusterPolicies.RunAsync(ct), Namespaces.RunAsync(ct), Nodes.RunAsync(ct), Captures.RunAsync(ct), Pods.RunAsync(ct));

    public Task WhenSyncedAsync(CancellationToken ct) => Task.WhenAll(
        Policies.WhenSyncedAsync(ct), ClusterPolicies.WhenSyncedAsync(ct), Namespaces.WhenSyncedAsync(ct), Nodes.WhenSyncedAsync(ct), Captures.WhenSyncedAsync(ct), Pods.WhenSyncedAsync(ct));
}
