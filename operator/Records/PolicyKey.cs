using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Records;

/// <summary>Names a policy, whether it exists or not.</summary>
/// <param name="Namespace">Null for a ClusterProfilePolicy.</param>
internal readonly record struct PolicyKey(string Kind, string? Namespace, string Name)
{
    public const string ClusterKind = "ClusterProfilePolicy";

    public static PolicyKey Of(PolicyView policy) => new(policy.Kind, policy.Namespace, policy.Name);

    public static PolicyKey Of(PolicyReference policy) =>
        new(policy.Namespace is null ? ClusterKind : ProfilePolicy.Kind, policy.Namespace, policy.Name);

    /// <summary>Null: a request, which no policy made.</summary>
    public static PolicyKey? Of(ProfileCapture capture)
    {
        if (capture.Spec.Policy is not { } name)
            return null;
        return capture.Metadata.Labels?.GetValueOrDefault(RecordNames.PolicyKindLabel) == ClusterKind
            ? new PolicyKey(ClusterKind, null, name)
            : new PolicyKey(ProfilePolicy.Kind, capture.Metadata.Namespace, name);
    }
}
