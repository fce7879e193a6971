using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Premortem.Cli.Captures;

/// <summary>Captures as JSON and YAML: a List, as kubectl prints more than one object.</summary>
internal static class CaptureDocuments
{
    private static readonly JsonWriterOptions s_indented = new() { Indented = true, IndentSize = 4, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static string Json(JsonElement document)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, s_indented))
            document.WriteTo(json);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    internal static string Yaml(JsonElement document)
    {
        var text = new StringBuilder();
        Append(text, document, 0);
        return text.ToString().TrimEnd('\n');
    }

    internal static JsonElement List(IEnumerable<ListedCapture> captures)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("apiVersion", "v1");
            json.WriteStartArray("items");
            foreach (var capture in captures)
                capture.Source.WriteTo(json);
            json.WriteEndArray();
            json.WriteString("kind", "List");
            json.WriteEndObject();
        }
        using var document = JsonDocument.Parse(buffer.WrittenMemory);
        return document.RootElement.Clone();
    }

    // Block style; a list stands at the indentation of its key.
    private static void Append(StringBuilder text, JsonElement value, int depth)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object when value.EnumerateObject().Any():
                var first = true;
                foreach (var member in value.EnumerateObject())
                {
                    // The first one goes on the line of its list's dash.
                    text.Append(' ', first && EndsWithDash(text) ? 0 : 2 * depth).Append(Scalar(member.Name)).Append(':');
                    first = false;
                    AppendMember(text, member.Value, depth);
                }
                break;
            case JsonValueKind.Array when value.GetArrayLength() > 0:
                foreach (var item in value.EnumerateArray())
                {
                    text.Append(' ', EndsWithDash(text) ? 0 : 2 * depth).Append("- ");
                    Append(text, item, depth + 1);
                }
                break;
            default:
                text.Append(Leaf(value)).Append('\n');
                break;
        }
    }

    private static bool EndsWithDash(StringBuilder text) => text.Length >= 2 && text[^1] == ' ' && text[^2] == '-';

    private static void AppendMember(StringBuilder text, JsonElement value, int depth)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object when value.EnumerateObject().Any():
                text.Append('\n');
                Append(text, value, depth + 1);
                break;
            case JsonValueKind.Array when value.GetArrayLength() > 0:
                text.Append('\n');
                Append(text, value, depth);
                break;
            default:
                text.Append(' ').Append(Leaf(value)).Append('\n');
                break;
        }
    }

    private static string Leaf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "{}",
        JsonValueKind.Array => "[]",
        JsonValueKind.String => Scalar(value.GetString()!),
        _ => value.GetRawText(),
    };

    // Plain only what no reader of YAML takes for anything but a string; all else in double quotes.
    private static string Scalar(string text)
    {
        var isPlain = text.Length is > 0 and < 200
            && char.IsAsciiLetter(text[0])
            && char.IsAsciiLetterOrDigit(text[^1])
            && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '/')
            && text.ToLowerInvariant() is not ("true" or "false" or "yes" or "no" or "on" or "off" or "y" or "n" or "null");
        if (isPlain)
            return text;
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
            if (c is '"' or '\\')
                quoted.Append('\\').Append(c);
            else if (char.IsControl(c) || c is '\u2028' or '\u2029' or '\ufeff')
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                quoted.Append(c);
        return quoted.Append('"').ToString();
    }
}
