using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Xunit;

namespace Premortem.Operator.Tests.Injection;

public sealed class SettingsBuilderTests
{
    private static readonly PodFacts Pod = new([new ContainerSettings("app", 512 << 20)], EndsWith: null);

    [Fact]
    public void What_it_makes_the_sidecar_reads()
    {
        var request = new RequestedCapture("now", "8d0e", "app", [new CaptureRequest(CaptureType.Heap)]);
        var report = new ReportSettings("https://premortem.premortem-system.svc", "PEM");
        var reading = SettingsReader.Read(SettingsBuilder.Build([Policy()], Pod with { EndsWith = "Never", SpoolBytes = 1 << 30 }, null, [request], report));
        Assert.Empty(reading.Errors);
        Assert.Empty(reading.Warnings);
        var settings = reading.Settings!;
        Assert.Equal(["checkout"], settings.Policies.Select(policy => policy.Name));
        Assert.Equal(Pod.Containers, settings.Containers);
        Assert.Equal((true, "Never"), (settings.EndsWithTargets, settings.RestartPolicy));
        Assert.Equal(1 << 30, settings.SpoolBytes);
        Assert.Equal(report, settings.Report);
        Assert.Equal("8d0e", Assert.Single(settings.Requests).Uid);
    }

    [Fact]
    public void The_same_input_gives_the_same_bytes_and_another_another_revision()
    {
        var once = Build([Policy()]);
        Assert.Equal(once, Build([Policy()]));
        Assert.NotEqual(Read(once).Revision, Read(Build([Policy(spec => spec["runtime"] = "Go")])).Revision);
    }

    [Fact]
    public void What_speaks_to_the_operator_alone_stays_with_it()
    {
        var spec = Read(Build([Policy(spec =>
        {
            spec["sidecar"] = new JsonObject { ["mode"] = "Classic" };
            spec["historyLimit"] = 5;
        })])).Policies[0].Spec;
        Assert.Equal(["storage", "triggers"], spec.Select(field => field.Key).Order());
    }

    [Fact]
    public void Of_a_policy_that_became_invalid_the_last_good_one_stays()
    {
        var good = Build([Policy(), Policy(spec => spec["runtime"] = "Go", "other")]);
        var broken = Policy(spec => spec["triggers"] = new JsonArray());
        Assert.False(broken.IsValid);
        var after = Read(Build([broken, Policy(spec => spec["runtime"] = "DotNet", "other")], good));
        Assert.Equal(["checkout", "other"], after.Policies.Select(policy => policy.Name));
        Assert.True(JsonNode.DeepEquals(Read(good).Policies[0].Spec, after.Policies[0].Spec));
        Assert.Equal("DotNet", after.Policies[1].Spec["runtime"]!.GetValue<string>());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("""{"schema": "premortem.dev/settings/v9", "revision": "x"}""")]
    public void An_invalid_policy_of_which_nothing_good_is_known_is_left_out(string? current) =>
        Assert.Empty(Read(Build([Policy(spec => spec["triggers"] = new JsonArray())], current)).Policies);

    [Fact]
    public void A_policy_that_is_gone_is_gone() => Assert.Empty(Read(Build([], Build([Policy()]))).Policies);

    [Theory]
    [InlineData(null, "100Mi")]
    [InlineData("50Mi", "50Mi")]
    [InlineData("2Gi", "100Mi")]
    public void No_policy_makes_the_spool_of_a_running_pod_outgrow_its_volume(string? granted, string expected)
    {
        var made = SettingsBuilder.Build([Policy(spec => spec["limits"] = new JsonObject { ["spool"] = "100Mi", ["maxPerDay"] = 3 })], Pod with { SpoolBytes = 100 << 20 }, null, [], null);
        // Not even by way of no policy at all.
        var after = Read(Build([Policy(spec => spec["limits"] = granted is null ? null : new JsonObject { ["spool"] = granted, ["maxPerDay"] = 7 })], Build([], made)));
        Assert.Equal(expected, after.Policies[0].Spec["limits"]!["spool"]!.GetValue<string>());
        Assert.Equal(granted is null ? null : 7, after.Policies[0].Spec["limits"]!["maxPerDay"]?.GetValue<int>());
        Assert.Equal(100 << 20, after.SpoolBytes);
    }

    [Fact]
    public void No_more_policies_are_written_than_a_sidecar_takes()
    {
        var many = Enumerable.Range(0, SettingsBuilder.MostPolicies + 6).Select(i => Policy(name: $"p{i:00}")).ToArray();
        Assert.Equal(SettingsBuilder.MostPolicies, Read(Build(many)).Policies.Count);
    }

    private static string Build(IReadOnlyList<PolicyView> policies, string? current = null) => SettingsBuilder.Build(policies, Pod, current, [], null);

    private static SidecarSettings Read(string json)
    {
        var reading = SettingsReader.Read(json);
        Assert.Empty(reading.Errors);
        return reading.Settings!;
    }

    private static PolicyView Policy(Action<JsonObject>? change = null, string name = "checkout")
    {
        var spec = JsonNode.Parse("""
            {"selector": {"matchLabels": {"app": "checkout"}},
             "triggers": [{"name": "near-limit", "memoryUsage": {"threshold": "85%"}}],
             "storage": {"s3": {"bucket": "profiles", "region": "eu-west-1"}}}
            """)!.AsObject();
        change?.Invoke(spec);
        return InjectionCase.View(new JsonObject { ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "shop", ["generation"] = 1L }, ["spec"] = spec });
    }
}
