namespace Premortem.Runtime;

/// <summary>A core <c>v1</c> Event, of the fields that <c>kubectl describe</c> shows. Without <c>eventTime</c>: then every server takes it by the old rules.</summary>
internal sealed record Event : IResource
{
    public static ResourceType Type { get; } = new("", "v1", "events", "Event");

    public ObjectMeta Metadata { get; init; } = new();

    public InvolvedObject? InvolvedObject { get; init; }

    public string? Reason { get; init; }

    public string? Message { get; init; }

    /// <summary><c>Normal</c> or <c>Warning</c>. The property's name is taken by the type of resource.</summary>
    [System.Text.Json.Serialization.JsonPropertyName("type")]
    public EventKind? Kind { get; init; }

    public int? Count { get; init; }

    public DateTimeOffset? FirstTimestamp { get; init; }

    public DateTimeOffset? LastTimestamp { get; init; }

    public EventSource? Source { get; init; }

    public string? ReportingComponent { get; init; }

    public string? ReportingInstance { get; init; }
}

internal sealed record InvolvedObject(string ApiVersion, string Kind, string? Namespace, string Name, string? Uid);

internal sealed record EventSource(string Component);
