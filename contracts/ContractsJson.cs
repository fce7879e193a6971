using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Premortem.Contracts;

/// <summary>JSON as the contracts have it: camelCase names, enums by name, durations as <c>10s</c>, nulls left out.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    WriteIndented = true,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    Converters = [typeof(DurationConverter)])]
[JsonSerializable(typeof(CaptureRecord))]
[JsonSerializable(typeof(CaptureReport))]
[JsonSerializable(typeof(SidecarStatus))]
public sealed partial class ContractsJson : JsonSerializerContext
{
    /// <summary>The same without line breaks and spaces, for what goes over the network and into annotations.</summary>
    public static ContractsJson Compact =>
        field ??= new(new JsonSerializerOptions(Default.Options) { WriteIndented = false, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}

/// <summary>A duration in the form that users type.</summary>
public sealed class DurationConverter : JsonConverter<TimeSpan>
{
    public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        Durations.TryParse(reader.GetString() ?? "", out var duration)
            ? duration
            : throw new JsonException($"'{reader.GetString()}' is no duration: write it like 10s or 1m30s");

    public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) =>
        writer.WriteStringValue(Durations.Format(value));
}
