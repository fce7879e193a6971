using Premortem.Runtime;

namespace Premortem.Operator.Policies;

/// <summary>Names a policy of either kind; a namespace's has a namespace.</summary>
internal readonly record struct PolicyKey(ResourceKey Key)
{
    public bool IsClusterWide => Key.Namespace is null;

    public string Kind => IsClusterWide ? Resources.PolicyResource.ClusterType.Kind : Resources.PolicyResource.Type.Kind;

    public static PolicyKey Of(PolicyView policy) => new(new ResourceKey(policy.Namespace, policy.Name));

    public override string ToString() => Key.ToString();
}
