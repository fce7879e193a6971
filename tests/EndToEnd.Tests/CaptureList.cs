using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Premortem.EndToEnd.Tests;

/// <summary>A list of ProfileCaptures, as the API server gives it.</summary>
public sealed record CaptureList([property: JsonPropertyName("items")] IReadOnlyList<JsonObject> Items);
