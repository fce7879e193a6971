using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Premortem.Runtime;

/// <summary>
/// How resources are read and written: camelCase, enums by their names, times in whole seconds of UTC, properties that are null left out. A null within a
/// <see cref="System.Text.Json.Nodes.JsonObject"/> or a dictionary is written: in a merge patch it removes the field.
/// </summary>
public static class ResourceJson
{
    public static JsonSerializerOptions Options { get; } = Make();

    private static JsonSerializerOptions Make()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web)
        {
            NumberHandling = JsonNumberHandling.Strict,
            PropertyNameCaseInsensitive = false,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            Converters = { new JsonStringEnumConverter(), new TimeConverter(), new SharedStrings() },
        };
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    // As metav1.Time: what is not a whole second would come back changed from some fields and unchanged from others.
    private sealed class TimeConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDateTimeOffset();

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
    }
}
