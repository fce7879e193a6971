using System.Text.Json.Nodes;

namespace Premortem.Operator.Injection;

/// <summary>
/// RFC 6902 operations that only add, or replace one value: whatever else the pod has, known or not, stays as it is. Lists and maps that
/// are not there are made by the first who adds to them.
/// </summary>
internal sealed class PodPatch(PodView pod)
{
    private readonly HashSet<string> _made = new(StringComparer.Ordinal);

    public JsonArray Operations { get; } = [];

    public void Set(string path, JsonNode value) => Operation(path, value);

    public void SetLabel(string key, string value) => SetKey(pod.Metadata, "labels", key, value);

    public void SetAnnotation(string key, string value) => SetKey(pod.Metadata, "annotations", key, value);

    /// <param name="pointer">Where <paramref name="fields"/> stand: <c>/spec</c>.</param>
    public void Append(PodFields fields, string pointer, string list, JsonNode item)
    {
        if (fields.Has(list) || !_made.Add($"{pointer}/{list}"))
            Operation($"{pointer}/{list}/-", item);
        else
            Operation($"{pointer}/{list}", new JsonArray(item));
    }

    private void SetKey(PodFields metadata, string map, string key, string value)
    {
        if (!pod.Root.Has("metadata") && _made.Add("/metadata"))
            Operation("/metadata", new JsonObject());
        if (!metadata.Has(map) && _made.Add($"/metadata/{map}"))
            Operation($"/metadata/{map}", new JsonObject { [key] = value });
        else
            Operation($"/metadata/{map}/{Escape(key)}", value);
    }

    private void Operation(string path, JsonNode value) =>
        Operations.Add((JsonNode)new JsonObject { ["op"] = "add", ["path"] = path, ["value"] = value });

    /// <summary>As a JSON pointer has it.</summary>
    private static string Escape(string key) => key.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}
