using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Policies;

/// <summary>All policies of the cluster, read once when they change. Reads never wait.</summary>
internal sealed class PolicyIndex(Informer<PolicyResource> policies, Informer<PolicyResource> clusterPolicies)
{
    /// <summary>Told of each change, on the informer's thread: (null, new), (old, new), (old, null). Register before the informers run.</summary>
    public void OnChange(Action<PolicyView?, PolicyView?> handler) => throw new NotImplementedException($"{policies} {clusterPolicies}");

    public IReadOnlyList<PolicyView> All => throw new NotImplementedException();

    /// <summary>Those that could select a pod of this namespace.</summary>
    public IReadOnlyList<PolicyView> For(string @namespace) => throw new NotImplementedException();
}
