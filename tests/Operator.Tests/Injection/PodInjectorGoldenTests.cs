using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Testing;
using Xunit;

namespace Premortem.Operator.Tests.Injection;

/// <summary>
/// <c>want.patch.json</c>, with the settings for reading in <c>want.settings.json</c> and what the user is told in <c>want.warnings.txt</c>; or
/// <c>want.skip.txt</c>. <c>UPDATE_GOLDEN=1</c> rewrites them: look at the difference.
/// </summary>
public sealed class PodInjectorGoldenTests
{
    private const string Elsewhere = "(want.settings.json)";

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static TheoryData<string> Cases { get; } = [.. InjectionCase.Names];

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_decision_is_as_wanted(string name)
    {
        var @case = InjectionCase.Load(name);
        var before = @case.Pod.ToJsonString();
        var wanted = new Dictionary<string, string>();
        switch (@case.Decide())
        {
            case InjectionDecision.Inject inject:
                var patch = inject.Patch.DeepClone().AsArray();
                wanted["want.settings.json"] = Elide(patch).ToJsonString(Readable) + "\n";
                wanted["want.patch.json"] = patch.ToJsonString(Readable) + "\n";
                if (inject.Warnings.Count > 0)
                    wanted["want.warnings.txt"] = string.Concat(inject.Warnings.Select(warning => warning + "\n"));
                break;
            case InjectionDecision.Skip skip:
                wanted["want.skip.txt"] = $"{skip.Reason}{(skip.IsWorthTelling ? "" : " (not worth telling)")}\n{skip.Detail}\n{string.Join(",", skip.Policies.Select(policy => policy.FullName))}\n";
                break;
        }
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
            foreach (var file in Directory.GetFiles(Path.Combine(InjectionCase.Folder, name), "want.*"))
                File.Delete(file);
        foreach (var (file, text) in wanted)
            Golden.Matches(text, $"{name}/{file}");
        Assert.Equal(wanted.Keys.Order(), Directory.GetFiles(Path.Combine(InjectionCase.Folder, name), "want.*").Select(Path.GetFileName).Order());
        Assert.Equal(before, @case.Pod.ToJsonString());
    }

    /// <summary>The settings are a string within the patch, which nobody can read there.</summary>
    private static JsonNode Elide(JsonArray patch)
    {
        foreach (var operation in patch)
        {
            var path = operation!["path"]!.GetValue<string>();
            if (path == "/metadata/annotations/premortem.dev~1config")
            {
                var settings = JsonNode.Parse(operation["value"]!.GetValue<string>())!;
                operation["value"] = Elsewhere;
                return settings;
            }
            if (path == "/metadata/annotations" && operation["value"]![Names.ConfigAnnotation] is { } value)
            {
                operation["value"]![Names.ConfigAnnotation] = Elsewhere;
                return JsonNode.Parse(value.GetValue<string>())!;
            }
        }
        throw new InvalidOperationException("the patch has no settings");
    }
}
