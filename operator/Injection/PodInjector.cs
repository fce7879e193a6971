using System.Text.Json.Nodes;
using Premortem.Operator.Policies;

namespace Premortem.Operator.Injection;

/// <summary>Which pods get a sidecar, and what it looks like. Pure: the same input gives the same patch.</summary>
internal static class PodInjector
{
    /// <param name="pod">As the server sent it; fields that nobody knows stay what they are.</param>
    /// <param name="policies">All policies of the cluster that could select the pod: of its namespace, and cluster-wide ones.</param>
    public static InjectionDecision Decide(JsonObject pod, NamespaceView @namespace, IReadOnlyList<PolicyView> policies, InjectorOptions options) =>
        throw new NotImplementedException();
}

internal abstract record InjectionDecision
{
    /// <param name="Patch">RFC 6902.</param>
    /// <param name="Policies">Those that were applied, the one that wins first.</param>
    /// <param name="Warnings">For the user who makes the pod.</param>
    internal sealed record Inject(JsonArray Patch, IReadOnlyList<PolicyView> Policies, IReadOnlyList<string> Warnings) : InjectionDecision;

    /// <param name="Reason">One word from <see cref="SkipReasons"/>.</param>
    /// <param name="Detail">In words, with what to do about it.</param>
    /// <param name="IsWorthTelling">Whether a policy selects the pod, so that somebody may wonder.</param>
    internal sealed record Skip(string Reason, string Detail, bool IsWorthTelling, IReadOnlyList<PolicyView> Policies) : InjectionDecision;
}

internal sealed record NamespaceView(string Name, IReadOnlyDictionary<string, string> Labels);

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
