using System.Text;
using System.Text.Json.Nodes;
using Premortem.Operator.Tests.Policies;

namespace Premortem.Operator.Tests.Docs;

/// <summary>docs/reference/policy-fields.md: every field of a policy as the CRDs have it, and nothing else.</summary>
internal static class PolicyFieldsPage
{
    public static string Render()
    {
        var schema = CrdDriftTests.Schema("clusterprofilepolicies")["properties"]!;
        var text = new StringBuilder("""
            # Fields of a policy

            `ProfilePolicy` and `ClusterProfilePolicy`, `premortem.dev/v1alpha1`, as the CRDs in [crds/](../../crds) have them. This page is made from them by
            `eng/policy-fields`, and a test fails where the two differ. [policy.md](policy.md) says what the fields do together and what holds where they are
            left out; `kubectl explain cpp.spec --recursive` has the same.

            A *quantity* is a number of bytes or cores as Kubernetes writes them (`900Mi`, `2Gi`, `50m`), a *duration* is like `250ms`, `2s` or `1m30s`.

            ## spec

            `spec.namespaceSelector` is `ClusterProfilePolicy`'s alone.


            """);
        Table(text, schema["spec"]!, "spec");
        text.Append("\n## status\n\nWritten by the operator. The reasons are in [reasons.md](reasons.md).\n\n");
        Table(text, schema["status"]!, "status");
        return text.ToString();
    }

    private static void Table(StringBuilder text, JsonNode schema, string path)
    {
        text.Append("| field | type | default | allowed | meaning |\n| --- | --- | --- | --- | --- |\n");
        Rows(text, schema, path, []);
    }

    private static void Rows(StringBuilder text, JsonNode schema, string path, List<(string Path, JsonNode Schema)> seen)
    {
        var required = (schema["required"]?.AsArray() ?? []).Select(name => name!.GetValue<string>()).ToHashSet();
        foreach (var (name, property) in schema["properties"]!.AsObject())
        {
            var (at, inner) = ($"{path}.{name}", property!);
            while (inner["items"] is { } items)
                (at, inner) = (at + "[]", items);
            var @default = property!["default"] is { } value ? Code(value) : required.Contains(name) ? "required" : "";
            var sameAs = seen.Find(other => JsonNode.DeepEquals(other.Schema["properties"], inner["properties"])).Path;
            var meaning = Cell(property["description"]?.GetValue<string>() ?? "") + (sameAs is null ? "" : $" Fields as of `{sameAs}`.");
            text.Append($"| `{at}` | {Type(property)} | {@default} | {Cell(string.Join("; ", Allowed(property)))} | {meaning.Trim()} |\n");
            if (sameAs is not null || inner["properties"] is null)
                continue;
            seen.Add((at, inner));
            Rows(text, inner, at, seen);
        }
    }

    private static string Type(JsonNode schema) => schema["type"]?.GetValue<string>() switch
    {
        "array" => $"list of {Type(schema["items"]!)}",
        "object" when schema["additionalProperties"] is not null => "map of strings",
        "string" when schema["format"]?.GetValue<string>() == "date-time" => "time",
        "string" when IsDuration(schema) => "duration",
        "string" when schema["enum"] is not null => "word",
        "string" when Pattern(schema).EndsWith("%$", StringComparison.Ordinal) => "share",
        null when Pattern(schema).Contains('%', StringComparison.Ordinal) => "share or quantity",
        null => "quantity",
        { } type => type,
    };

    /// <summary>What a server checks. The rules themselves are in CEL and of no use to a reader; their messages are.</summary>
    private static IEnumerable<string> Allowed(JsonNode schema)
    {
        if (schema["enum"] is JsonArray words)
            yield return string.Join(", ", words.Select(word => $"`{word!.GetValue<string>()}`"));
        if (schema["minimum"] is { } least)
            yield return schema["maximum"] is { } most ? $"{least} to {most}" : $"at least {least}";
        if (schema["items"] is { } items)
        {
            if (schema["maxItems"] is { } count)
                yield return schema["minItems"] is { } atLeast ? $"{atLeast} to {count} of them" : $"at most {count} of them";
            if (schema["x-kubernetes-list-map-keys"] is JsonArray keys)
                yield return $"each `{keys[0]!.GetValue<string>()}` once";
            foreach (var rule in Allowed(items))
                yield return rule;
        }
        if (schema["maxLength"] is { } length && schema["type"] is not null && Type(schema) == "string")
            yield return schema["minLength"] is { } shortest && shortest.GetValue<int>() > 1 ? $"{shortest} to {length} characters" : $"at most {length} characters";
        foreach (var rule in schema["x-kubernetes-validations"]?.AsArray() ?? [])
            yield return rule!["message"]!.GetValue<string>();
    }

    private static bool IsDuration(JsonNode schema) => Pattern(schema).Contains("(ns|us|", StringComparison.Ordinal);

    private static string Pattern(JsonNode schema) => schema["pattern"]?.GetValue<string>() ?? "";

    private static string Code(JsonNode value) => $"`{(value is JsonValue text && text.TryGetValue<string>(out var word) ? word : value.ToJsonString())}`";

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal).Replace('\n', ' ');
}
