using System.Text.Json.Nodes;
using Premortem.Testing;

namespace Premortem.Cluster.Tests.Chart;

/// <summary>What <c>helm template</c> makes of the chart.</summary>
internal sealed class RenderedChart
{
    private RenderedChart(IReadOnlyList<JsonObject> manifests) => Manifests = manifests;

    public static string Folder { get; } = Repository.Path("charts", "premortem");

    public static string AllOn { get; } = Repository.TestData("all-on.yaml");

    public IReadOnlyList<JsonObject> Manifests { get; }

    public static async Task<RenderedChart> WithAsync(string version, params string[] arguments) => new(KubeManifests.Read(
        (await KubeCommand.HelmAsync(["template", "premortem", Folder, "--namespace", "premortem-system", "--kube-version", version, .. arguments])).AssertOk().Output));

    public IEnumerable<JsonObject> Of(string kind) => Manifests.Where(manifest => manifest.Kind() == kind);

    public JsonObject One(string kind, string name = "premortem") => Of(kind).Single(manifest => manifest["metadata"]!["name"]!.GetValue<string>() == name);

    /// <summary>Every rule of a role or cluster role: groups, resources, names, verbs.</summary>
    public IEnumerable<(string Role, string[] Groups, string[] Resources, string[] Names, string[] Verbs)> Rules(string kind) =>
        from role in Of(kind)
        from rule in role["rules"]!.AsArray()
        select (role["metadata"]!["name"]!.GetValue<string>(), Strings(rule!["apiGroups"]), Strings(rule["resources"]), Strings(rule["resourceNames"]), Strings(rule["verbs"]));

    private static string[] Strings(JsonNode? list) => [.. (list?.AsArray() ?? []).Select(item => item!.GetValue<string>())];
}
