using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Runtime;

namespace Premortem.Operator.Resources;

/// <summary>A capture in the cluster: one that happened, or one that somebody asks for.</summary>
internal sealed record ProfileCapture : IResource
{
    public static ResourceType Type { get; } = new("premortem.dev", "v1alpha1", "profilecaptures", "ProfileCapture");

    public ObjectMeta Metadata { get; init; } = new();

    public ProfileCaptureSpec Spec { get; init; } = new();

    public ProfileCaptureStatus? Status { get; init; }
}

internal sealed record ProfileCaptureSpec
{
    public string PodName { get; init; } = "";

    public string? Container { get; init; }

    /// <summary>The policy whose trigger fired; null for a request.</summary>
    public string? Policy { get; init; }

    /// <summary>The trigger's name; null for a request.</summary>
    public string? Trigger { get; init; }

    /// <summary>What a request asks for; null: what the policy says.</summary>
    public IReadOnlyList<CaptureSpec>? Captures { get; init; }
}

internal sealed record CaptureSpec(CaptureType Type)
{
    public string? Duration { get; init; }

    public DumpType? DumpType { get; init; }
}

internal sealed record ProfileCaptureStatus
{
    public CapturePhase? Phase { get; init; }

    /// <summary>The capture's id, as in its manifest.</summary>
    public string? CaptureId { get; init; }

    /// <summary>Of the last report that was taken.</summary>
    public int? Sequence { get; init; }

    public string? Container { get; init; }

    public string? PodUid { get; init; }

    public string? NodeName { get; init; }

    /// <summary>Why it fired, in words.</summary>
    public string? TriggerReason { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? CompletedAt { get; init; }

    public CaptureMemory? Memory { get; init; }

    public CaptureOutcome? Outcome { get; init; }

    public string? OutcomeReason { get; init; }

    /// <summary>The <c>s3://</c> or <c>file://</c> URL of the folder; null: it is not stored yet.</summary>
    public string? Location { get; init; }

    public IReadOnlyList<CaptureArtifact>? Artifacts { get; init; }

    public IReadOnlyList<CaptureTop>? Top { get; init; }

    public IReadOnlyList<Condition>? Conditions { get; init; }
}

/// <summary>Quantities, as Kubernetes writes them, and their share as people read it.</summary>
internal sealed record CaptureMemory(string? WorkingSet, string? Limit, string? Ceiling, string? Summary);

internal sealed record CaptureArtifact(string Type, string Key, long? Bytes, string? Sha256, string? Error, string? Reason);

/// <param name="FlatPercent">With one digit behind the point, as a string: floats are not for the API.</param>
internal sealed record CaptureTop(string Name, long FlatBytes, string FlatPercent);
