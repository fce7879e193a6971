using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Premortem.Testing;
using Xunit;
using static Premortem.Operator.Tests.Policies.CrdDriftTests;

namespace Premortem.Operator.Tests.Policies;

/// <summary>
/// What API servers newer than the one at hand ask of a schema. A CEL rule may cost 10,000,000 units at most and all of a kind 100,000,000, as estimated from
/// the bounds of what they touch: here each rule touches one object of bounded strings, at most 32 times over, and costs far below a thousand units a time. The
/// validation of apiextensions-apiserver 0.36 finds nothing wrong with them.
/// </summary>
public sealed class CrdSchemaTests
{
    public static TheoryData<string> Kinds => ["profilepolicies", "clusterprofilepolicies", "profilecaptures"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_field_is_described(string kind)
    {
        foreach (var (path, schema) in Nodes(Schema(kind), ""))
            if (path is not ("" or ".metadata") && !path.EndsWith("[]", StringComparison.Ordinal) && !path.EndsWith("{}", StringComparison.Ordinal))
            {
                var words = schema["description"]?.GetValue<string>() ?? "";
                Assert.True(words.Length >= 8 && words[^1] is '.', $"{path}: '{words}'");
                Assert.DoesNotContain('\n', words);
            }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Whatever_a_user_writes_is_bounded(string kind)
    {
        foreach (var (path, schema) in Nodes(Schema(kind)["properties"]!["spec"]!, "spec"))
        {
            switch (schema["type"]?.GetValue<string>())
            {
                case "string":
                    Assert.True(schema["maxLength"] is not null || schema["enum"] is not null, path);
                    break;
                case "array":
                    Assert.True(schema["maxItems"] is not null, path);
                    break;
                case "object":
                    Assert.True(schema["properties"] is not null || schema["maxProperties"] is not null, path);
                    break;
                case "integer":
                    Assert.True(schema["minimum"] is not null && schema["maximum"] is not null, path);
                    break;
                case "boolean":
                    break;
                default:
                    Assert.True(schema["x-kubernetes-int-or-string"]?.GetValue<bool>() == true && schema["maxLength"] is not null, path);
                    break;
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void It_is_structural(string kind)
    {
        string[] forbidden = ["$ref", "definitions", "dependencies", "deprecated", "discriminator", "id", "patternProperties", "readOnly", "writeOnly", "uniqueItems", "nullable", "x-kubernetes-preserve-unknown-fields"];
        foreach (var (path, schema) in Nodes(Schema(kind), ""))
        {
            foreach (var word in forbidden)
                Assert.True(schema[word] is null, $"{path}: {word}");
            Assert.True(schema["type"] is not null ^ schema["x-kubernetes-int-or-string"] is not null, path);
            Assert.False(schema["properties"] is not null && schema["additionalProperties"] is not null, path);
            foreach (var part in new[] { "oneOf", "anyOf" })
                foreach (var alternative in schema[part]?.AsArray() ?? [])
                    Assert.Equal(schema["x-kubernetes-int-or-string"] is null ? "required" : "type", Assert.Single(alternative!.AsObject()).Key);
            if (schema["x-kubernetes-list-map-keys"] is JsonArray keys)
                foreach (var key in keys)
                    Assert.Contains(key!.GetValue<string>(), schema["items"]!["required"]!.AsArray().Select(name => name!.GetValue<string>()));
            if (schema["type"]?.GetValue<string>() == "array")
                Assert.True(schema["x-kubernetes-list-type"] is not null, path);
            if (schema["required"] is JsonArray required)
                foreach (var name in required)
                    Assert.True(schema["properties"]?[name!.GetValue<string>()] is not null, $"{path}.{name}");
            // RE2 has neither look-around nor back references.
            if (schema["pattern"]?.GetValue<string>() is { } pattern)
                _ = new Regex(pattern.Replace("$", "\\z", StringComparison.Ordinal), RegexOptions.NonBacktracking);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_default_is_right(string kind)
    {
        foreach (var (path, schema) in Nodes(Schema(kind), ""))
            if (schema["default"] is { } value && schema["pattern"]?.GetValue<string>() is { } pattern)
                Assert.True(Regex.IsMatch(value.GetValue<string>(), pattern), path);
    }

    /// <summary>kubectl's client-side apply replaces a list as a whole: a default in it would be a change each time.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Nothing_in_a_list_has_a_default(string kind)
    {
        foreach (var (path, schema) in Nodes(Schema(kind), ""))
            Assert.False(schema["default"] is not null && path.Contains("[]", StringComparison.Ordinal), path);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_rule_has_its_words_and_uses_fields_that_are_there(string kind)
    {
        var count = 0;
        foreach (var (path, schema) in Nodes(Schema(kind), ""))
            foreach (var validation in schema["x-kubernetes-validations"]?.AsArray() ?? [])
            {
                count++;
                // Newer keys would be refused by the strict checks of kubectl against servers of 1.25.
                Assert.Equal(["message", "rule"], validation!.AsObject().Select(field => field.Key).Order(StringComparer.Ordinal));
                Assert.DoesNotContain('\n', validation["message"]!.GetValue<string>());
                var rule = validation["rule"]!.GetValue<string>();
                foreach (Match use in Regex.Matches(rule, @"\bself\.([a-zA-Z0-9]+)(\()?"))
                    Assert.True(use.Groups[2].Success || schema["properties"]?[use.Groups[1].Value] is not null, $"{path}: {rule}");
                // quantity() and the like came after 1.25, and a server that does not know them refuses the whole kind.
                foreach (Match call in Regex.Matches(rule, @"([a-zA-Z]+)\("))
                    Assert.Contains(call.Groups[1].Value, new[] { "has", "duration", "size", "filter", "matches" });
            }
        Assert.True(count > 0);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void It_is_found_by_the_names_that_people_type(string kind)
    {
        var names = Crd(kind)["spec"]!["names"]!;
        Assert.Equal(kind switch { "profilepolicies" => "pp", "clusterprofilepolicies" => "cpp", _ => "pcap" }, Assert.Single(names["shortNames"]!.AsArray())!.GetValue<string>());
        Assert.Equal("premortem", Assert.Single(names["categories"]!.AsArray())!.GetValue<string>());
        Assert.NotNull(Crd(kind)["spec"]!["versions"]![0]!["subresources"]!["status"]);
    }

    /// <summary>Too large an object does not fit into the annotation of a client-side apply.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void It_is_small(string kind) => Assert.InRange(new FileInfo(Repository.Path("crds", $"premortem.dev_{kind}.yaml")).Length, 1000, 100_000);
}
