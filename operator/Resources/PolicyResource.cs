using System.Text.Json.Nodes;
using Premortem.Runtime;

namespace Premortem.Operator.Resources;

/// <summary>A <c>ProfilePolicy</c> or <c>ClusterProfilePolicy</c> as the server has it; its spec is read by <see cref="Policies.PolicyView"/>.</summary>
internal sealed record PolicyResource : IResource
{
    public static ResourceType Type { get; } = new("premortem.dev", "v1alpha1", "profilepolicies", "ProfilePolicy");

    public static ResourceType ClusterType { get; } = new("premortem.dev", "v1alpha1", "clusterprofilepolicies", "ClusterProfilePolicy", IsNamespaced: false);

    public ObjectMeta Metadata { get; init; } = new();

    public JsonObject? Spec { get; init; }

    public PolicyStatus? Status { get; init; }
}

/// <summary>The <c>status</c> of a policy.</summary>
internal sealed record PolicyStatus
{
    public long? ObservedGeneration { get; init; }

    public IReadOnlyList<Condition>? Conditions { get; init; }

    /// <summary>Running pods that the selector takes.</summary>
    public int? MatchedPods { get; init; }

    /// <summary>Those of them that have the sidecar.</summary>
    public int? InjectedPods { get; init; }

    /// <summary>Those that have not, by the reason.</summary>
    public IReadOnlyList<MissedPods>? MissedPods { get; init; }

    public long? Captures { get; init; }

    public DateTimeOffset? LastCaptureTime { get; init; }
}

/// <param name="Reason">Why, one word.</param>
/// <param name="Count">How many.</param>
/// <param name="Examples">Names of some of them.</param>
internal sealed record MissedPods(string Reason, int Count, IReadOnlyList<string> Examples);

/// <summary>As <c>metav1.Condition</c>.</summary>
internal sealed record Condition(string Type, string Status, string Reason, string Message)
{
    public long? ObservedGeneration { get; init; }

    public DateTimeOffset? LastTransitionTime { get; init; }
}
