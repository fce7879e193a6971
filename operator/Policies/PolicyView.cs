using System.Text.Json.Nodes;
using Premortem.Contracts.Policies;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Policies;

/// <summary>A policy as the operator works with it: read once when it changes.</summary>
/// <param name="Kind"><c>ProfilePolicy</c> or <c>ClusterProfilePolicy</c>.</param>
/// <param name="Namespace">Null for a ClusterProfilePolicy.</param>
/// <param name="Spec">The spec as the user wrote it.</param>
/// <param name="Reading">The spec as it was read; without a policy where it is invalid.</param>
/// <param name="Selector">Which pods.</param>
/// <param name="NamespaceSelector">In which namespaces; everything for a ProfilePolicy, whose own namespace it is.</param>
/// <param name="Sidecar">How the sidecar is to look.</param>
internal sealed record PolicyView(
    string Kind,
    string Name,
    string? Namespace,
    string Uid,
    long Generation,
    JsonObject Spec,
    PolicyReading Reading,
    LabelSelector Selector,
    LabelSelector NamespaceSelector,
    SidecarOptions Sidecar)
{
    /// <summary>What happened before it is none of its business; null: not known.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    public bool IsValid => Reading.Policy is not null;

    /// <summary>For <see cref="PolicyMerge"/>; null where it is invalid.</summary>
    public ReadPolicy? Policy => Reading.Policy?.AsRead();

    /// <summary><c>shop/checkout</c>, or <c>everywhere</c> for one without a namespace.</summary>
    public string FullName => Namespace is null ? Name : $"{Namespace}/{Name}";

    /// <summary>How the operator reads policies, wherever they come from.</summary>
    public static PolicyReadOptions ReadOptions { get; } = new() { CheckSchedule = ScheduleCheck.Check, RequireSelector = true };

    /// <summary>A resource without a namespace is a ClusterProfilePolicy.</summary>
    public static PolicyView From(PolicyResource resource)
    {
        var (meta, spec) = (resource.Metadata, resource.Spec ?? []);
        var kind = meta.Namespace is null ? ProfilePolicy.ClusterKind : ProfilePolicy.Kind;
        var isClusterWide = meta.Namespace is null;
        var read = PolicyReader.ReadSpec(spec, "spec", isClusterWide, ReadOptions);
        var policy = read.Spec is null ? null : new ProfilePolicy(meta.Name, meta.Namespace, read.Spec) { IsClusterWide = isClusterWide };
        return new PolicyView(
            kind,
            meta.Name,
            meta.Namespace,
            meta.Uid ?? "",
            meta.Generation ?? 0,
            spec,
            new PolicyReading(policy, read.Errors, read.Warnings),
            // Of a policy whose selector is wrong nobody knows which pods it means.
            LabelSelector.TryRead(spec["selector"]) ?? LabelSelector.Nothing,
            isClusterWide && spec["namespaceSelector"] is { } namespaces ? LabelSelector.TryRead(namespaces) ?? LabelSelector.Nothing : LabelSelector.Everything,
            read.Spec?.Sidecar ?? new SidecarOptions())
        {
            CreatedAt = meta.CreationTimestamp,
        };
    }

    /// <summary>The order of precedence: what comes first wins.</summary>
    public static int Compare(PolicyView a, PolicyView b) => PolicyMerge.Compare(a.Kind, a.Name, b.Kind, b.Name);
}
