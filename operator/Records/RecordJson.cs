using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Premortem.Contracts;

namespace Premortem.Operator.Records;

/// <summary>JSON of reports, and of what records say to the API server: camelCase, enums by name, nulls left out.</summary>
internal static class RecordJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        MaxDepth = 32,
        Converters = { new JsonStringEnumConverter(allowIntegerValues: false), new DurationConverter() },
    };

    public static JsonObject Object<T>(T value) => JsonSerializer.SerializeToNode(value, Options)!.AsObject();

    /// <summary>Whether both say the same to the API server.</summary>
    public static bool AreEqual<T>(T? a, T? b) =>
        JsonNode.DeepEquals(JsonSerializer.SerializeToNode(a, Options), JsonSerializer.SerializeToNode(b, Options));
}
