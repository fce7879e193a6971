using System.Text.Json.Nodes;
using Premortem.Contracts.Policies;

namespace Premortem.Contracts;

/// <summary>
/// What the operator tells a sidecar: the content of the annotation <see cref="Names.ConfigAnnotation"/>, which reaches it as a file of a
/// downward-API volume and may change at any time. The schema is described in docs/reference/settings.md.
/// </summary>
public sealed record SidecarSettings
{
    public const string SchemaVersion = "premortem.dev/settings/v1";

    public string Schema { get; init; } = SchemaVersion;

    /// <summary>Names this content: the sidecar says in its <see cref="SidecarStatus"/> which one it follows.</summary>
    public required string Revision { get; init; }

    /// <summary>The policies that select the pod, the one that wins first (<see cref="PolicyMerge"/>); none: nothing is watched.</summary>
    public IReadOnlyList<AppliedPolicy> Policies { get; init; } = [];

    /// <summary>The containers to choose from, with what the pod says of them.</summary>
    public IReadOnlyList<ContainerSettings> Containers { get; init; } = [];

    /// <summary>The sidecar ends when all its targets have ended for good: it is a container beside a Job's, which would not end otherwise.</summary>
    public bool EndsWithTargets { get; init; }

    /// <summary>The most that captures may hold on the pod's disk, whatever a policy says later: the volume was made for so much. Null: not known.</summary>
    public long? SpoolBytes { get; init; }

    /// <summary>
    /// The pod's <c>restartPolicy</c>, which with <see cref="EndsWithTargets"/> says whether a container that ended may come back: <c>Never</c>
    /// or <c>OnFailure</c>; null: not known, which is taken for the latter.
    /// </summary>
    public string? RestartPolicy { get; init; }

    /// <summary>Where captures are reported; null: nowhere.</summary>
    public ReportSettings? Report { get; init; }

    /// <summary>Captures that somebody asked for and that are not reported yet.</summary>
    public IReadOnlyList<RequestedCapture> Requests { get; init; } = [];
}

/// <param name="Kind"><c>ProfilePolicy</c> or <c>ClusterProfilePolicy</c>.</param>
/// <param name="Namespace">Null for a ClusterProfilePolicy.</param>
/// <param name="Generation">The policy's <c>metadata.generation</c>.</param>
/// <param name="Spec">The policy's <c>spec</c> as the user wrote it, less what speaks to the operator alone.</param>
public sealed record AppliedPolicy(string Kind, string Name, string? Namespace, long Generation, JsonObject Spec);

/// <param name="MemoryLimitBytes">The container's limit as the pod has it; null: none.</param>
public sealed record ContainerSettings(string Name, long? MemoryLimitBytes);

/// <param name="Url">The operator's service: <c>https://premortem.premortem-system.svc</c>.</param>
/// <param name="CaBundle">PEM certificates, one of which has signed the operator's.</param>
/// <param name="Address">An IP address of the service, for pods that cannot resolve its name; null: not known.</param>
public sealed record ReportSettings(string Url, string CaBundle, string? Address = null);

/// <param name="Name">The name of the <c>ProfileCapture</c> that asks for it, in the pod's namespace.</param>
/// <param name="Uid">Its UID: the same name may ask twice.</param>
/// <param name="Container">Which container; null: every one that is watched, and where none is, every one.</param>
/// <param name="Captures">What to capture; empty: what the policy says.</param>
public sealed record RequestedCapture(string Name, string Uid, string? Container, IReadOnlyList<CaptureRequest> Captures);
