using System.Text.Json.Nodes;

namespace Premortem.Operator.Injection;

/// <summary>What the operator was told about injecting.</summary>
internal sealed record InjectorOptions
{
    public required string SidecarImage { get; init; }

    public string? ImagePullPolicy { get; init; }

    /// <summary>Whether every kubelet of the cluster knows native sidecars.</summary>
    public bool ServerHasNativeSidecars { get; init; }

    /// <summary>Neither here nor in kube-system is anything injected.</summary>
    public required string OperatorNamespace { get; init; }

    public IReadOnlyList<string> ExcludedNamespaces { get; init; } = [];

    /// <summary>Where sidecars report; null: nowhere.</summary>
    public Contracts.ReportSettings? Report { get; init; }

    /// <summary>A <c>ResourceRequirements</c> where the policy has none.</summary>
    public JsonObject? DefaultResources { get; init; }
}
