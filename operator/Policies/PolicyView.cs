using System.Text.Json.Nodes;
using Premortem.Contracts.Policies;

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
    public bool IsValid => Reading.Policy is not null;

    /// <summary><c>shop/checkout</c>, or <c>everywhere</c> for one without a namespace.</summary>
    public string FullName => Namespace is null ? Name : $"{Namespace}/{Name}";
}
