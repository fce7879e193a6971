using System.Text.Json;
using Premortem.Operator.Injection;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Policies;

/// <summary>Why a pod that policies select has no sidecar.</summary>
internal static class MissedReason
{
    /// <summary>
    /// What the injector says of it now, from what is kept of it; where it would inject, the pod was made when it did not see it.
    /// </summary>
    public static string Of(Pod pod, NamespaceView @namespace, IReadOnlyList<PolicyView> policies, InjectorOptions options)
    {
        var kept = JsonSerializer.SerializeToNode(pod, ResourceJson.Options)!.AsObject();
        kept["apiVersion"] = "v1";
        kept["kind"] = "Pod";
        return PodInjector.Decide(kept, @namespace, policies, options) is InjectionDecision.Skip skip && skip.Reason != SkipReasons.NoPolicy
            ? skip.Reason
            : SkipReasons.NotSeen;
    }
}
