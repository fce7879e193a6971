using System.Globalization;
using System.Text.Json;

namespace Premortem.Cli.Cluster;

/// <summary>Fields of objects that kubectl gives. What is missing or of another type is as if it were not there.</summary>
internal static class JsonFields
{
    internal static JsonElement Member(this JsonElement parent, string name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var member) ? member : default;

    internal static JsonElement Member(this JsonElement parent, string name, string below) => parent.Member(name).Member(below);

    internal static string Text(this JsonElement parent, string name) => parent.Member(name) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";

    internal static long Number(this JsonElement parent, string name) =>
        parent.Member(name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var value) ? value : 0;

    internal static IEnumerable<JsonElement> Items(this JsonElement parent, string name) =>
        parent.Member(name) is { ValueKind: JsonValueKind.Array } array ? array.EnumerateArray() : [];

    internal static DateTimeOffset? Time(this JsonElement parent, string name) =>
        DateTimeOffset.TryParse(parent.Text(name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
}
