using System.Globalization;
using System.Text.Json;

namespace Premortem.Cli.Captures;

/// <summary>A capture as the list has it: what the columns need, and the whole ProfileCapture for JSON and YAML.</summary>
/// <param name="CreatedAt">When the object was made.</param>
/// <param name="StartedAt">When the trigger fired; where that is not known, when the object was made.</param>
internal sealed record ListedCapture(string Namespace, string Name, DateTimeOffset? CreatedAt, DateTimeOffset? StartedAt, JsonElement Source)
{
    public string Pod { get; init; } = "";

    public string Container { get; init; } = "";

    public string Policy { get; init; } = "";

    public string Trigger { get; init; } = "";

    public string Memory { get; init; } = "";

    public string Top { get; init; } = "";

    public string Outcome { get; init; } = "";

    public string Phase { get; init; } = "";

    public string Location { get; init; } = "";

    /// <summary>Reads a ProfileCapture; whatever is missing or of another type stays empty.</summary>
    internal static ListedCapture Of(JsonElement capture)
    {
        var (metadata, spec, status) = (Member(capture, "metadata"), Member(capture, "spec"), Member(capture, "status"));
        var top = Member(status, "top");
        var created = Time(metadata, "creationTimestamp");
        return new ListedCapture(Text(metadata, "namespace"), Text(metadata, "name"), created, Time(status, "startedAt") ?? created, capture.Clone())
        {
            Pod = Text(spec, "podName"),
            Container = Text(status, "container") is { Length: > 0 } container ? container : Text(spec, "container"),
            Policy = Text(spec, "policy"),
            Trigger = Text(spec, "trigger"),
            Memory = Text(Member(status, "memory"), "summary"),
            Top = top.ValueKind == JsonValueKind.Array && top.GetArrayLength() > 0 ? Text(top[0], "name") : "",
            Outcome = Text(status, "outcome"),
            Phase = Text(status, "phase"),
            Location = Text(status, "location"),
        };
    }

    private static JsonElement Member(JsonElement parent, string name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var member) ? member : default;

    private static string Text(JsonElement parent, string name) => Member(parent, name) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";

    private static DateTimeOffset? Time(JsonElement parent, string name) =>
        DateTimeOffset.TryParse(Text(parent, name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
}
