using System.Globalization;
using System.Text.Json.Nodes;

namespace Premortem.EndToEnd.Tests;

/// <summary>A ProfileCapture, as <c>kubectl get pcap -o json</c> shows it.</summary>
public sealed class CaptureView(JsonObject json)
{
    public JsonObject Json { get; } = json;

    public string Name => Text("metadata", "name")!;

    public string? Pod => Text("spec", "podName");

    public string? Container => Text("status", "container") ?? Text("spec", "container");

    public string? Policy => Text("spec", "policy");

    /// <summary>The trigger's name, or <c>requested</c>, <c>oom-kill</c>, <c>exit</c>.</summary>
    public string? Trigger => Text("spec", "trigger");

    /// <summary>Pending, Capturing, Completed, Partial or Failed.</summary>
    public string Phase => Text("status", "phase") ?? "Pending";

    public bool IsOver => Phase is "Completed" or "Partial" or "Failed";

    /// <summary>Whether all that there is of it is in the bucket; a capture is over before that.</summary>
    public bool IsStored => IsOver && Location is not null;

    /// <summary>Survived, OOMKilled or Exited.</summary>
    public string? Outcome => Text("status", "outcome");

    public string? Location => Text("status", "location");

    public string? Id => Text("status", "captureId");

    public DateTimeOffset? StartedAt => Time("startedAt");

    public DateTimeOffset? CompletedAt => Time("completedAt");

    /// <summary>The functions or types of <c>status.top</c>, largest first.</summary>
    public IReadOnlyList<string> Top => [.. (Json["status"]?["top"]?.AsArray() ?? []).Select(entry => entry!["name"]!.GetValue<string>())];

    /// <summary>The types of the artifacts that are there.</summary>
    public IReadOnlyList<string> Artifacts =>
        [.. (Json["status"]?["artifacts"]?.AsArray() ?? []).Where(artifact => artifact!["sha256"] is not null).Select(artifact => artifact!["type"]!.GetValue<string>())];

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Name} of {Pod}/{Container} by {Trigger}: {Phase}, {Outcome}, [{string.Join(' ', Artifacts)}], top {string.Join(" | ", Top)}");

    private string? Text(params ReadOnlySpan<string> path)
    {
        JsonNode? node = Json;
        foreach (var part in path)
            node = node?[part];
        return node?.GetValue<string>();
    }

    private DateTimeOffset? Time(string field) => Text("status", field) is { } text ? DateTimeOffset.Parse(text, CultureInfo.InvariantCulture) : null;
}
