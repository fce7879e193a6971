using System.Text.Json.Nodes;
using Premortem.Contracts.Policies;
using Premortem.Operator.Policies;
using Premortem.Operator.Tests.Injection;
using Premortem.Operator.Tests.Policies;
using Premortem.Testing;
using Xunit;

namespace Premortem.Operator.Tests.Docs;

public sealed class PageTests
{
    private static readonly Dictionary<string, string> s_plurals = new()
    {
        ["ProfilePolicy"] = "profilepolicies",
        ["ClusterProfilePolicy"] = "clusterprofilepolicies",
        ["ProfileCapture"] = "profilecaptures",
    };

    public static TheoryData<string> Pages => [.. Page.All.Select(page => page.Path)];

    [Theory]
    [MemberData(nameof(Pages))]
    public void No_link_is_dead(string path)
    {
        var page = Page.All.Single(page => page.Path == path);
        Assert.Equal([], page.Links().Where(link => !Leads(page, link)).ToList());
    }

    /// <summary>A user copies them.</summary>
    [Fact]
    public void Every_example_is_right()
    {
        var examples = Page.All.SelectMany(page => page.Yaml().SelectMany(YamlNodes.Parse).Select(document => (page.Path, Document: document)))
            .Concat(Directory.EnumerateFiles(Repository.Path("samples"), "*.yaml").SelectMany(file => YamlNodes.Read(file).Select(document => (Path.GetFileName(file), Document: document))))
            .Where(example => example.Document["apiVersion"]?.GetValue<string>().StartsWith("premortem.dev/", StringComparison.Ordinal) == true)
            .ToList();
        Assert.True(examples.Count > 10);
        Assert.Equal([], examples.SelectMany(example => Problems(example.Document).Select(problem => $"{example.Item1}: {problem}")).ToList());
    }

    private static IEnumerable<string> Problems(JsonObject document)
    {
        var kind = document["kind"]!.GetValue<string>();
        foreach (var problem in Unknown(document["spec"]!, CrdDriftTests.Schema(s_plurals[kind])["properties"]!["spec"]!, "spec"))
            yield return problem;
        // The sidecar of a host reads policies without a selector.
        var options = PolicyView.ReadOptions with { RequireSelector = document["metadata"]!["namespace"] is not null };
        if (kind != "ProfileCapture")
            foreach (var error in PolicyReader.Read(document, options).Errors)
                yield return $"{error.Path}: {error.Message}";
    }

    private static IEnumerable<string> Unknown(JsonNode value, JsonNode schema, string path) => (value, schema["properties"]) switch
    {
        (JsonArray items, _) => items.SelectMany(item => Unknown(item!, schema["items"]!, path + "[]")),
        (JsonObject fields, JsonObject known) => fields.SelectMany(field =>
            known[field.Key] is { } inner ? Unknown(field.Value!, inner, $"{path}.{field.Key}") : [$"{path}.{field.Key} is no field"]),
        _ => [],
    };

    private static bool Leads(Page page, string link)
    {
        var parts = link.Split('#', 2);
        var target = parts[0].Length == 0
            ? page.Path
            : Path.GetRelativePath(Repository.Root, Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Repository.Path(page.Path))!, parts[0])));
        if (parts.Length == 1 || Page.All.FirstOrDefault(other => other.Path == target) is not { } other)
            return File.Exists(Repository.Path(target)) || Directory.Exists(Repository.Path(target));
        return other.Anchors().Contains(parts[1]);
    }
}
