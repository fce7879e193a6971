using System.Text.Json.Nodes;

namespace Premortem.Runtime.Admission;

/// <summary>The request of an <c>AdmissionReview</c>, <c>v1</c> or <c>v1beta1</c>. Objects are JSON nodes, so that no unknown field is lost.</summary>
public sealed record AdmissionRequest
{
    public required string ApiVersion { get; init; }

    public required string Uid { get; init; }

    public required string Operation { get; init; }

    public string? Kind { get; init; }

    public string? Namespace { get; init; }

    public string? Name { get; init; }

    public string? SubResource { get; init; }

    public bool IsDryRun { get; init; }

    public string? UserName { get; init; }

    public JsonObject? Object { get; init; }

    public JsonObject? OldObject { get; init; }
}

/// <summary>The answer. Warnings are shown by kubectl; <see cref="AuditAnnotations"/> stand in the audit log.</summary>
public sealed record AdmissionAnswer
{
    public bool IsAllowed { get; init; } = true;

    /// <summary>Why not, for the user.</summary>
    public string? Message { get; init; }

    /// <summary>HTTP's word for it: 403, 422.</summary>
    public int? Code { get; init; }

    /// <summary>RFC 6902 operations; null: nothing is changed.</summary>
    public JsonArray? Patch { get; init; }

    public IReadOnlyList<string> Warnings { get; init; } = [];

    public IReadOnlyDictionary<string, string>? AuditAnnotations { get; init; }
}
