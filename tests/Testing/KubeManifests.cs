using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using k8s.Models;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Premortem.Testing;

/// <summary>Manifests as they are written, and held against the types of Kubernetes' newest API: what a newer server refuses, an old one passes over.</summary>
public static class KubeManifests
{
    private static readonly Dictionary<(string ApiVersion, string Kind), Type> s_types = typeof(V1Pod).Assembly.GetTypes()
        .Select(type => (Type: type, Entity: type.GetCustomAttribute<KubernetesEntityAttribute>()))
        .Where(item => item.Entity is not null)
        .GroupBy(item => (item.Entity!.Group.Length == 0 ? item.Entity.ApiVersion : $"{item.Entity.Group}/{item.Entity.ApiVersion}", item.Entity.Kind))
        .ToDictionary(group => group.Key, group => group.First().Type);

    /// <summary>The documents of a YAML text that hold anything.</summary>
    public static IReadOnlyList<JsonObject> Read(string yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(yaml));
        return [.. stream.Documents.Select(document => Node(document.RootNode)).OfType<JsonObject>()];
    }

    public static string Kind(this JsonObject manifest) => manifest["kind"]!.GetValue<string>();

    public static string ApiVersion(this JsonObject manifest) => manifest["apiVersion"]!.GetValue<string>();

    /// <summary>Whether Kubernetes itself has the kind, and no add-on.</summary>
    public static bool IsBuiltIn(this JsonObject manifest) => s_types.ContainsKey((manifest.ApiVersion(), manifest.Kind()));

    /// <summary>What is wrong with a manifest of a built-in kind: fields that there are not, and values of the wrong kind.</summary>
    public static IReadOnlyList<string> Problems(JsonObject manifest) =>
        s_types.TryGetValue((manifest.ApiVersion(), manifest.Kind()), out var type)
            ? [.. Problems(manifest, type, manifest.Kind())]
            : [$"{manifest.ApiVersion()} {manifest.Kind()}: there is no such kind"];

    private static JsonNode? Node(YamlNode node) => node switch
    {
        YamlMappingNode fields => new JsonObject(fields.Select(field => KeyValuePair.Create(((YamlScalarNode)field.Key).Value!, Node(field.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Select(Node)]),
        YamlScalarNode { Style: not ScalarStyle.Plain } text => text.Value,
        YamlScalarNode { Value: null or "" or "~" or "null" } => null,
        YamlScalarNode { Value: "true" } => true,
        YamlScalarNode { Value: "false" } => false,
        // The digits stay as they are written.
        YamlScalarNode { Value: { } text } when decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => JsonNode.Parse(number.ToString(CultureInfo.InvariantCulture)),
        YamlScalarNode text => text.Value,
        _ => throw new NotSupportedException($"{node}"),
    };

    private static IEnumerable<string> Problems(JsonNode? node, Type type, string path)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (node is null || type == typeof(object) || type == typeof(JsonElement))
            return [];
        if (type == typeof(ResourceQuantity) || type == typeof(IntOrString))
            return node is JsonValue ? [] : [$"{path}: no number or text"];
        if (type == typeof(string) || type == typeof(DateTime) || type == typeof(byte[]))
            return Expect(node, path, JsonValueKind.String);
        if (type == typeof(bool))
            return node.GetValueKind() is JsonValueKind.True or JsonValueKind.False ? [] : [$"{path}: {node.ToJsonString()} is no boolean"];
        if (type.IsPrimitive)
            return Expect(node, path, JsonValueKind.Number);
        if (type.IsGenericType && type.IsAssignableTo(typeof(IEnumerable)))
        {
            var arguments = type.GetGenericArguments();
            if (arguments.Length == 2)
                return node is JsonObject map ? map.SelectMany(entry => Problems(entry.Value, arguments[1], $"{path}[{entry.Key}]")) : [$"{path}: no object"];
            return node is JsonArray list ? list.SelectMany((item, i) => Problems(item, arguments[0], string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]"))) : [$"{path}: no list"];
        }
        if (node is not JsonObject fields)
            return [$"{path}: no object"];
        var known = type.GetProperties().ToDictionary(property => property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name ?? property.Name, property => property.PropertyType);
        return fields.SelectMany(field => known.TryGetValue(field.Key, out var of) ? Problems(field.Value, of, $"{path}.{field.Key}") : [$"{path}.{field.Key}: there is no such field"]);
    }

    private static IEnumerable<string> Expect(JsonNode node, string path, JsonValueKind kind) =>
        node.GetValueKind() == kind ? [] : [$"{path}: {node.ToJsonString()} is no {kind}"];
}
