using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Premortem.Operator.Injection;

/// <summary>
/// One object of a pod as the server sent it. Fields are read when they are asked for: what nobody asks for may be anything. Null and
/// absent are the same, as they are for the API server.
/// </summary>
/// <param name="Path">Where it stands: <c>spec.containers[0]</c>.</param>
internal sealed record PodFields(JsonObject Object, string Path)
{
    private static readonly PodFields[] None = [];

    public bool Has(string name) => Object[name] is not null;

    public PodFields? Child(string name) => Object[name] switch
    {
        null => null,
        JsonObject child => new PodFields(child, PathOf(name)),
        _ => throw Wrong(name, "an object"),
    };

    public IReadOnlyList<PodFields> Children(string name)
    {
        switch (Object[name])
        {
            case null:
                return None;
            case JsonArray array:
                var children = new PodFields[array.Count];
                for (var i = 0; i < children.Length; i++)
                    children[i] = array[i] is JsonObject child ? new PodFields(child, $"{PathOf(name)}[{i}]") : throw Wrong($"{name}[{i}]", "an object");
                return children;
            default:
                throw Wrong(name, "a list");
        }
    }

    public string? Text(string name) => Object[name] switch
    {
        null => null,
        JsonValue value when value.GetValueKind() == JsonValueKind.String => value.GetValue<string>(),
        _ => throw Wrong(name, "a string"),
    };

    public string RequiredText(string name) => Text(name) is { Length: > 0 } text ? text : throw new MalformedPodException(PathOf(name), "is required");

    public bool? Flag(string name) => Object[name] switch
    {
        null => null,
        JsonValue value when value.GetValueKind() is JsonValueKind.True or JsonValueKind.False => value.GetValueKind() == JsonValueKind.True,
        _ => throw Wrong(name, "true or false"),
    };

    public long? Number(string name) => Object[name] switch
    {
        null => null,
        JsonValue value when value.GetValueKind() == JsonValueKind.Number
            && long.TryParse(value.ToJsonString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
        _ => throw Wrong(name, "a whole number"),
    };

    /// <summary>A quantity, which may be written as a number.</summary>
    public string? Quantity(string name) => Object[name] switch
    {
        null => null,
        JsonValue value when value.GetValueKind() == JsonValueKind.Number => value.ToJsonString(),
        _ => Text(name),
    };

    public IReadOnlyList<string> Texts(string name)
    {
        if (Object[name] is null)
            return [];
        if (Object[name] is not JsonArray array)
            throw Wrong(name, "a list");
        var texts = new string[array.Count];
        for (var i = 0; i < texts.Length; i++)
            texts[i] = array[i] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : throw Wrong($"{name}[{i}]", "a string");
        return texts;
    }

    /// <summary>Labels and the like.</summary>
    public IReadOnlyDictionary<string, string> Map(string name)
    {
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Child(name) is { } fields)
            foreach (var (key, _) in fields.Object)
                map[key] = fields.Text(key) ?? "";
        return map;
    }

    private string PathOf(string name) => Path.Length == 0 ? name : $"{Path}.{name}";

    private MalformedPodException Wrong(string name, string expected) => new(PathOf(name), $"has to be {expected}");
}
