using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Premortem.Operator.Tests.Injection;

/// <summary>Manifests as JSON nodes, one a document.</summary>
internal static class YamlNodes
{
    public static IReadOnlyList<JsonObject> Read(string path)
    {
        using var reader = new StreamReader(path);
        return Read(reader);
    }

    public static IReadOnlyList<JsonObject> Parse(string text)
    {
        using var reader = new StringReader(text);
        return Read(reader);
    }

    private static IReadOnlyList<JsonObject> Read(TextReader reader)
    {
        var stream = new YamlStream();
        stream.Load(reader);
        return [.. stream.Documents.Select(document => ToJson(document.RootNode)!.AsObject())];
    }

    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode fields => new JsonObject(fields.Select(field => KeyValuePair.Create(((YamlScalarNode)field.Key).Value!, ToJson(field.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Select(ToJson)]),
        YamlScalarNode { Style: not ScalarStyle.Plain } text => text.Value,
        YamlScalarNode { Value: "" or "~" or "null" } => null,
        YamlScalarNode { Value: "true" } => true,
        YamlScalarNode { Value: "false" } => false,
        // The digits stay as they are written.
        YamlScalarNode { Value: { } text } when double.TryParse(text, CultureInfo.InvariantCulture, out _) => JsonNode.Parse(text),
        YamlScalarNode text => text.Value,
        _ => throw new NotSupportedException($"{node}"),
    };
}
