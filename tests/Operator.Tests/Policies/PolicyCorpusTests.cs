using System.Text.Json.Nodes;
using Premortem.Operator.Policies;
using Premortem.Operator.Tests.Injection;
using Premortem.Runtime.Admission;
using Premortem.Testing;
using Xunit;

namespace Premortem.Operator.Tests.Policies;

/// <summary>
/// Documents that are right and documents of which one thing is wrong. Here the webhook judges them; in Cluster.Tests/Crds the schemas do, on
/// whatever API server there is.
/// </summary>
public sealed class PolicyCorpusTests
{
    private static readonly string Corpus = Repository.TestData("policies");

    public static TheoryData<string> Good => [.. Names("good")];

    public static TheoryData<string> Bad => [.. Names("bad")];

    [Theory]
    [MemberData(nameof(Good))]
    public void What_is_right_is_admitted(string name)
    {
        var answer = Judge(Path.Combine(Corpus, "good", name + ".yaml"));
        Assert.True(answer.IsAllowed, answer.Message);
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public void What_is_wrong_is_refused_with_its_place(string name)
    {
        var file = Path.Combine(Corpus, "bad", name + ".yaml");
        var at = File.ReadLines(file).First(line => line.StartsWith("# at: ", StringComparison.Ordinal))["# at: ".Length..];
        var answer = Judge(file);
        Assert.False(answer.IsAllowed);
        Assert.Equal(422, answer.Code);
        Assert.Contains($" is invalid: {at}", answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void There_are_enough_of_them() => Assert.True(Names("good").Count() >= 15 && Names("bad").Count() >= 80);

    internal static AdmissionAnswer Judge(string file)
    {
        var document = Assert.Single(YamlNodes.Read(file));
        return PolicyValidator.Validate(Request(document));
    }

    internal static AdmissionRequest Request(JsonObject document, JsonObject? old = null) => new()
    {
        ApiVersion = "admission.k8s.io/v1",
        Uid = "1",
        Operation = old is null ? "CREATE" : "UPDATE",
        Kind = document["kind"]!.GetValue<string>(),
        Name = document["metadata"]!["name"]?.GetValue<string>(),
        Namespace = "shop",
        Object = document,
        OldObject = old,
    };

    private static IEnumerable<string> Names(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Corpus, folder), "*.yaml").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal)!;
}
