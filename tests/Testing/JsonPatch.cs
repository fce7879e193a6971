using System.Globalization;
using System.Text.Json.Nodes;

namespace Premortem.Testing;

/// <summary>Applies RFC 6902 operations as strictly as an API server does: where the parent is not there, nothing is made up.</summary>
public static class JsonPatch
{
    /// <returns>A new document.</returns>
    public static JsonNode Apply(JsonNode document, JsonArray operations)
    {
        var patched = document.DeepClone();
        foreach (var operation in operations)
        {
            var path = operation!["path"]!.GetValue<string>();
            var value = operation["value"]?.DeepClone();
            var keys = path.Split('/')[1..].Select(key => key.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)).ToArray();
            var parent = keys[..^1].Aggregate(patched, (node, key) => Child(node, key, path));
            switch (operation["op"]!.GetValue<string>(), parent)
            {
                case ("add", JsonObject fields):
                    fields[keys[^1]] = value;
                    break;
                case ("add", JsonArray list):
                    list.Insert(keys[^1] == "-" ? list.Count : Index(keys[^1]), value);
                    break;
                case ("replace", _) when Child(parent, keys[^1], path) is { } old:
                    old.ReplaceWith(value);
                    break;
                case ("remove", JsonObject fields) when fields.Remove(keys[^1]):
                    break;
                case ("remove", JsonArray list):
                    list.RemoveAt(Index(keys[^1]));
                    break;
                case ("test", _) when JsonNode.DeepEquals(Child(parent, keys[^1], path), value):
                    break;
                case var (op, _):
                    throw new InvalidOperationException($"{op} {path} cannot be applied");
            }
        }
        return patched;
    }

    private static JsonNode Child(JsonNode node, string key, string path) =>
        (node switch
        {
            JsonObject fields => fields[key],
            JsonArray list => list[Index(key)],
            _ => null,
        }) ?? throw new InvalidOperationException($"{path}: there is no {key}");

    private static int Index(string key) => int.Parse(key, NumberStyles.None, CultureInfo.InvariantCulture);
}
