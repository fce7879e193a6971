using System.Text.Json.Nodes;

namespace Premortem.Contracts.Policies;

/// <summary>A policy's <c>spec.sidecar</c>: how the sidecar is injected.</summary>
public sealed record SidecarOptions
{
    public SidecarMode Mode { get; init; } = SidecarMode.Auto;

    /// <summary>A <c>ResourceRequirements</c> as the user wrote it; null: the operator's default.</summary>
    public JsonObject? Resources { get; init; }

    /// <summary>Whether the containers of the pod may see each other's processes.</summary>
    public bool ShareProcessNamespace { get; init; } = true;
}

public enum SidecarMode
{
    Auto,
    Native,
    Classic,
}
