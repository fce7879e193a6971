using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Premortem.Runtime;

/// <summary>
/// Reads equal short strings as one: ten thousand pods have the same labels, namespaces and images. What was read last at a place of a table is
/// kept there, and nothing else: it never grows, and two threads at one place cost a string at worst.
/// </summary>
internal sealed class SharedStrings : JsonConverter<string>
{
    private const int LongestShared = 96;

    private readonly string?[] _seen = new string?[4096];

    public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType == JsonTokenType.String
        ? Share(ref reader)
        // Without words of its own it says where.
        : throw new JsonException();

    public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Share(ref reader);

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WriteStringValue(value);

    public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WritePropertyName(value);

    private string Share(ref Utf8JsonReader reader)
    {
        if (reader.HasValueSequence || reader.ValueIsEscaped || reader.ValueSpan.Length > LongestShared)
            return reader.GetString()!;
        Span<char> text = stackalloc char[LongestShared];
        text = text[..Encoding.UTF8.GetChars(reader.ValueSpan, text)];
        ref var place = ref _seen[string.GetHashCode(text) & (_seen.Length - 1)];
        return place is { } seen && text.SequenceEqual(seen) ? seen : place = reader.GetString()!;
    }
}
