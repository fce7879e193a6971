using System.Text.Json;
using System.Text.Json.Nodes;
using Premortem.Contracts.Policies;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Operator.Tests.Injection;
using Premortem.Testing;
using Xunit;

namespace Premortem.Operator.Tests.Policies;

/// <summary>The schemas and the code say the same: neither knows a field, a word, a default or a bound that the other does not.</summary>
public sealed class CrdDriftTests
{
    private static readonly JsonObject Policy = Schema("profilepolicies");
    private static readonly JsonObject ClusterPolicy = Schema("clusterprofilepolicies");
    private static readonly JsonObject Capture = Schema("profilecaptures");

    /// <summary>Objects under spec, each with a document that has it: what the reader calls unknown there tells what it knows.</summary>
    public static TheoryData<string> Objects => [.. Nodes(Properties(ClusterPolicy)["spec"]!, "spec")
        .Where(node => node.Schema["properties"] is JsonObject)
        .Select(node => node.Path)];

    public static TheoryData<string> Enums => [.. Nodes(Properties(ClusterPolicy)["spec"]!, "spec").Where(node => node.Schema["enum"] is not null).Select(node => node.Path)];

    public static TheoryData<string> Integers => [.. Nodes(Properties(ClusterPolicy)["spec"]!, "spec")
        .Where(node => node.Schema["type"]?.GetValue<string>() == "integer")
        .Select(node => node.Path)];

    [Theory]
    [MemberData(nameof(Objects))]
    public void The_schema_and_the_reader_know_the_same_fields(string path)
    {
        var schema = SchemaAt(path);
        var document = Whole(path);
        At(document, path).AsObject()["zzzzzzzzzzzz"] = 1;
        var message = Assert.Single(Read(document).Errors, error => error.Path == $"{Concrete(path)}.zzzzzzzzzzzz").Message;
        var known = message.Split("there are ")[1].Split(", ");
        Assert.Equal(schema["properties"]!.AsObject().Select(property => property.Key).Order(StringComparer.Ordinal), known);
    }

    [Theory]
    [MemberData(nameof(Enums))]
    public void The_schema_and_the_reader_know_the_same_words(string path)
    {
        var document = Whole(path);
        Set(document, path, "Zzz");
        var message = Assert.Single(Read(document).Errors, error => error.Path == Concrete(path)).Message;
        Assert.EndsWith("one of " + string.Join(", ", SchemaAt(path)["enum"]!.AsArray().Select(word => word!.GetValue<string>())), message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Integers))]
    public void The_schema_and_the_reader_know_the_same_bounds(string path)
    {
        var (least, most) = (SchemaAt(path)["minimum"]!.GetValue<long>(), SchemaAt(path)["maximum"]!.GetValue<long>());
        foreach (var (value, isRight) in new[] { (least, true), (most, true), (least - 1, false), (most + 1, false) })
        {
            var document = Whole(path);
            Set(document, path, value);
            Assert.Equal(isRight, Read(document).Errors.All(error => error.Path != Concrete(path)));
        }
    }

    [Theory]
    [InlineData("spec.containers", "c{0}")]
    [InlineData("spec.triggers", "{{\"name\": \"t{0}\", \"timeToLimit\": {{\"within\": \"1s\"}}}}")]
    [InlineData("spec.captures", "{{\"type\": \"Heap\"}}")]
    [InlineData("spec.selector.matchExpressions", "{{\"key\": \"a{0}\", \"operator\": \"Exists\"}}")]
    [InlineData("spec.selector.matchExpressions[].values", "v{0}")]
    public void The_schema_and_the_reader_know_the_same_lengths_of_lists(string path, string entry)
    {
        var most = SchemaAt(path)["maxItems"]!.GetValue<int>();
        var document = Whole(path);
        Set(document, path, List(most + 1));
        Assert.Contains(new FieldProblem(Concrete(path), $"has {most + 1} entries, but may have {most} at most"), Read(document).Errors);
        Set(document, path, List(most));
        Assert.DoesNotContain(Read(document).Errors, error => error.Message.EndsWith("at most", StringComparison.Ordinal) && error.Path == Concrete(path));

        JsonArray List(int count) => [.. Enumerable.Range(0, count).Select(i =>
        {
            var text = string.Format(System.Globalization.CultureInfo.InvariantCulture, entry, i);
            return text[0] == '{' ? JsonNode.Parse(text) : JsonValue.Create(text);
        })];
    }

    [Fact]
    public void A_required_field_is_required_by_both()
    {
        foreach (var (path, schema) in Nodes(Properties(ClusterPolicy)["spec"]!, "spec"))
            foreach (var name in schema["required"]?.AsArray().Select(name => name!.GetValue<string>()) ?? [])
            {
                var document = Whole($"{path}.{name}");
                At(document, path).AsObject().Remove(name);
                Assert.Contains(Read(document).Errors, error => error.Path == $"{Concrete(path)}.{name}");
            }
    }

    [Fact]
    public void The_schema_and_the_reader_have_the_same_defaults()
    {
        var bare = Whole("spec");
        foreach (var field in new[] { "limits", "go", "flightRecorder" })
            bare["spec"]![field] = new JsonObject();
        bare["spec"]!.AsObject().Remove("historyLimit");
        bare["spec"]!["storage"] = new JsonObject { ["s3"] = new JsonObject { ["bucket"] = "profiles", ["region"] = "eu-west-1" } };
        bare["spec"]!["triggers"] = JsonNode.Parse("""[{"name": "a", "memoryUsage": {"threshold": "85%"}}, {"name": "b", "schedule": {"cron": "0 3 * * *"}}]""");
        var filled = bare.DeepClone().AsObject();
        var count = FillDefaults(filled["spec"], Properties(ClusterPolicy)["spec"]!);
        Assert.Equal(Nodes(Properties(ClusterPolicy)["spec"]!, "spec").Count(node => node.Schema["default"] is not null), count);
        var (one, other) = (Read(bare).Policy!.Spec, Read(filled).Policy!.Spec);
        Assert.Equal(one.Triggers, other.Triggers);
        Assert.Equal((one.Limits, one.Go, one.FlightRecorder, one.HistoryLimit, one.Storage), (other.Limits, other.Go, other.FlightRecorder, other.HistoryLimit, other.Storage));
    }

    /// <summary>A default that the server fills in would be something that the policy says, and win over what another one does.</summary>
    [Theory]
    [InlineData("captures")]
    [InlineData("runtime")]
    [InlineData("limits")]
    [InlineData("flightRecorder")]
    [InlineData("go")]
    [InlineData("sidecar")]
    public void What_meets_in_a_merge_has_no_default(string field) => Assert.Null(Properties(Properties(Policy)["spec"]!.AsObject())[field]!["default"]);

    [Fact]
    public void A_cluster_policy_is_a_policy_with_a_namespace_selector()
    {
        var (one, other) = (Properties(Policy)["spec"]!.DeepClone(), Properties(ClusterPolicy)["spec"]!.DeepClone());
        var namespaces = other["properties"]!["namespaceSelector"]!.AsObject();
        other["properties"]!.AsObject().Remove("namespaceSelector");
        foreach (var selector in new[] { one["properties"]!["selector"]!, other["properties"]!["selector"]!, namespaces })
            selector.AsObject().Remove("description");
        Assert.True(JsonNode.DeepEquals(one, other));
        Assert.True(JsonNode.DeepEquals(one["properties"]!["selector"], namespaces));
        Assert.True(JsonNode.DeepEquals(Properties(Policy)["status"], Properties(ClusterPolicy)["status"]));
        Assert.True(JsonNode.DeepEquals(Crd("profilepolicies")["spec"]!["versions"]![0]!["additionalPrinterColumns"], Crd("clusterprofilepolicies")["spec"]!["versions"]![0]!["additionalPrinterColumns"]));
    }

    [Fact]
    public void A_request_captures_what_a_policy_can() =>
        Assert.True(JsonNode.DeepEquals(Properties(Policy)["spec"]!["properties"]!["captures"]!["items"], Properties(Capture)["spec"]!["properties"]!["captures"]!["items"]));

    [Fact]
    public void The_status_of_a_policy_is_what_the_code_writes() => AssertSame(typeof(PolicyStatus), Properties(Policy)["status"]!, "status");

    [Fact]
    public void A_capture_is_what_the_code_writes()
    {
        AssertSame(typeof(ProfileCaptureSpec), Properties(Capture)["spec"]!, "spec");
        AssertSame(typeof(ProfileCaptureStatus), Properties(Capture)["status"]!, "status");
    }

    [Fact]
    public void The_kinds_are_called_what_the_code_calls_them()
    {
        foreach (var (type, file) in new[] { (PolicyResource.Type, "profilepolicies"), (PolicyResource.ClusterType, "clusterprofilepolicies"), (ProfileCapture.Type, "profilecaptures") })
        {
            var spec = Crd(file)["spec"]!;
            Assert.Equal(
                (type.Group, type.Plural, type.Kind, type.IsNamespaced ? "Namespaced" : "Cluster", type.Version),
                (spec["group"]!.GetValue<string>(), spec["names"]!["plural"]!.GetValue<string>(), spec["names"]!["kind"]!.GetValue<string>(),
                    spec["scope"]!.GetValue<string>(), spec["versions"]![0]!["name"]!.GetValue<string>()));
        }
    }

    private static void AssertSame(Type type, JsonNode schema, string path)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        var kind = schema["type"]?.GetValue<string>();
        var format = schema["format"]?.GetValue<string>();
        if (type == typeof(string))
            Assert.Equal((path, "string"), (path, kind));
        else if (type == typeof(DateTimeOffset))
            Assert.Equal((path, "string", "date-time"), (path, kind, format));
        else if (type == typeof(int) || type == typeof(long))
            Assert.Equal((path, "integer", type == typeof(int) ? "int32" : "int64"), (path, kind, format));
        else if (type == typeof(bool))
            Assert.Equal((path, "boolean"), (path, kind));
        else if (type.IsEnum)
            Assert.Equal(Enum.GetNames(type), schema["enum"]!.AsArray().Select(word => word!.GetValue<string>()));
        else if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
            AssertSame(type.GetGenericArguments()[0], schema["items"]!, path + "[]");
        else
        {
            var properties = type.GetProperties(System.Reflection.BindingFlags.Public | System.Reflection.BindingFlags.Instance)
                .ToDictionary(property => JsonNamingPolicy.CamelCase.ConvertName(property.Name), property => property.PropertyType);
            Assert.Equal((path, string.Join(", ", properties.Keys.Order(StringComparer.Ordinal))), (path, string.Join(", ", schema["properties"]!.AsObject().Select(property => property.Key).Order(StringComparer.Ordinal))));
            foreach (var (name, property) in properties)
                AssertSame(property, schema["properties"]![name]!, $"{path}.{name}");
        }
    }

    private static int FillDefaults(JsonNode? value, JsonNode schema)
    {
        var count = 0;
        if (value is JsonObject fields)
            foreach (var (name, property) in schema["properties"]?.AsObject() ?? [])
            {
                if (fields[name] is null && property!["default"] is { } @default)
                {
                    fields[name] = @default.DeepClone();
                    count++;
                }
                count += FillDefaults(fields[name], property!);
            }
        else if (value is JsonArray items)
            foreach (var item in items)
                count += FillDefaults(item, schema["items"]!);
        return count;
    }

    /// <summary>A right document that holds the object or the value at a path.</summary>
    private static JsonObject Whole(string path)
    {
        var document = JsonNode.Parse("""
            {
              "apiVersion": "premortem.dev/v1alpha1", "kind": "ClusterProfilePolicy", "metadata": {"name": "whole"},
              "spec": {
                "selector": {"matchLabels": {}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
                "namespaceSelector": {"matchLabels": {}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
                "containers": ["app"],
                "triggers": [{"name": "near", "memoryUsage": {"threshold": "85%"}}],
                "captures": [{"type": "Dump"}],
                "flightRecorder": {}, "limits": {}, "go": {}, "historyLimit": 1,
                "sidecar": {"resources": {"limits": {}, "requests": {}}},
                "storage": {"s3": {"bucket": "profiles", "region": "eu-west-1", "serverSideEncryption": {"type": "AES256"}}}
              }
            }
            """)!.AsObject();
        var trigger = document["spec"]!["triggers"]![0]!.AsObject();
        var others = new Dictionary<string, string>
        {
            ["timeToLimit"] = """{"within": "20s"}""",
            ["risingFloor"] = """{"window": "30m", "growth": "10%"}""",
            ["schedule"] = """{"cron": "0 3 * * *"}""",
        };
        foreach (var (kind, fields) in others)
            if (path.StartsWith($"spec.triggers[].{kind}", StringComparison.Ordinal))
            {
                trigger.Remove("memoryUsage");
                trigger[kind] = JsonNode.Parse(fields);
            }
        if (path.StartsWith("spec.storage.directory", StringComparison.Ordinal))
            document["spec"]!["storage"] = JsonNode.Parse("""{"directory": {"path": "/x"}}""");
        return document;
    }

    private static PolicyReading Read(JsonObject document) => PolicyReader.Read(document, PolicyView.ReadOptions);

    private static string Concrete(string path) => path.Replace("[]", "[0]", StringComparison.Ordinal);

    private static JsonNode At(JsonNode document, string path)
    {
        foreach (var step in path.Split('.'))
            document = step.EndsWith("[]", StringComparison.Ordinal) ? document[step[..^2]]![0]! : document[step]!;
        return document;
    }

    private static void Set(JsonNode document, string path, JsonNode value)
    {
        var dot = path.LastIndexOf('.');
        At(document, path[..dot])[path[(dot + 1)..]] = value;
    }

    private static JsonNode SchemaAt(string path) => Nodes(Properties(ClusterPolicy)["spec"]!, "spec").Single(node => node.Path == path).Schema;

    /// <summary>All schemas below one, and itself; the items of a list have its path with [] behind it.</summary>
    internal static IEnumerable<(string Path, JsonNode Schema)> Nodes(JsonNode schema, string path)
    {
        yield return (path, schema);
        foreach (var (name, property) in schema["properties"]?.AsObject() ?? [])
            foreach (var node in Nodes(property!, $"{path}.{name}"))
                yield return node;
        if (schema["items"] is { } items)
            foreach (var node in Nodes(items, path + "[]"))
                yield return node;
        if (schema["additionalProperties"] is JsonObject values)
            foreach (var node in Nodes(values, path + "{}"))
                yield return node;
    }

    internal static JsonObject Crd(string plural) => Assert.Single(YamlNodes.Read(Repository.Path("crds", $"premortem.dev_{plural}.yaml")));

    internal static JsonObject Schema(string plural) => Crd(plural)["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!.AsObject();

    private static JsonObject Properties(JsonObject schema) => schema["properties"]!.AsObject();
}
