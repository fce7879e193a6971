using System.Text.Json;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Resources;
using Premortem.Testing;
using Xunit;

namespace Premortem.Operator.Tests.Injection;

/// <summary>The settings that are made anew for a running pod say of it what they said when it was made: else each pod would be written once more.</summary>
public sealed class PodFactsTests
{
    public static TheoryData<string> Injected => PodInjectorTests.Injected;

    [Theory]
    [MemberData(nameof(Injected))]
    public void A_stored_pod_gets_the_settings_that_it_was_made_with(string name)
    {
        var @case = InjectionCase.Load(name);
        var inject = Assert.IsType<InjectionDecision.Inject>(@case.Decide());
        var stored = JsonPatch.Apply(@case.Pod, inject.Patch);
        var settings = stored["metadata"]!["annotations"]![Names.ConfigAnnotation]!.GetValue<string>();
        // The server writes quantities as strings, whatever they came as.
        foreach (var container in stored["spec"]!["containers"]!.AsArray())
            foreach (var (_, amount) in container!["resources"]?["limits"]?.AsObject().ToArray() ?? [])
                if (amount!.GetValueKind() == JsonValueKind.Number)
                    amount.ReplaceWith(amount.ToJsonString());
        var pod = new Pod { Spec = stored["spec"].Deserialize<PodSpec>(JsonSerializerOptions.Web)! };
        Assert.Equal(settings, SettingsBuilder.Build(inject.Policies, PodFacts.Of(pod, inject.Policies), settings, [], @case.Options.Report));
    }

    [Theory]
    [InlineData("Never", "containers", "Never")]
    [InlineData("OnFailure", "containers", "OnFailure")]
    [InlineData("Always", "containers", null)]
    [InlineData(null, "containers", null)]
    [InlineData("Never", "initContainers", null)]
    public void A_classic_sidecar_ends_with_what_is_to_end(string? restartPolicy, string list, string? ends)
    {
        var spec = new JsonObject { ["restartPolicy"] = restartPolicy, ["containers"] = new JsonArray(new JsonObject { ["name"] = "app" }) };
        if (spec[list] is null)
            spec[list] = new JsonArray();
        spec[list]!.AsArray().Add((JsonNode)new JsonObject { ["name"] = Names.SidecarContainer });
        Assert.Equal(ends, PodFacts.Of(new Pod { Spec = spec.Deserialize<PodSpec>(JsonSerializerOptions.Web)! }, []).EndsWith);
    }
}
