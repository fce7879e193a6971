using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Settings;
using Xunit;

namespace Premortem.Sidecar.Tests.Settings;

public sealed class FollowedSettingsTests
{
    [Fact]
    public void A_container_that_the_pod_does_not_name_is_nobodys()
    {
        var settings = Of([Policy("a")], "app");
        Assert.NotNull(settings.For("app"));
        Assert.Null(settings.For("debugger"));
    }

    [Fact]
    public void Without_policies_nothing_is_watched_and_nothing_can_be_stored()
    {
        var settings = Of([], "app");
        Assert.Null(settings.For("app"));
        Assert.Null(settings.OnRequest());
        Assert.Null(settings.Storage);
        Assert.Equal(new CaptureLimits().SpoolBytes, settings.SpoolBytes);
    }

    [Fact]
    public void What_no_policy_says_of_a_container_is_the_first_policys()
    {
        var settings = Of([Policy("b", containers: ["app"], bucket: "second"), Policy("a", containers: ["app"], bucket: "first", spool: 1 << 30)], "app", "proxy");
        Assert.Null(settings.For("proxy"));
        Assert.Equal(new S3Storage("first"), settings.Storage);
        Assert.Equal("a", settings.Policies[0].Name);
        Assert.Equal(1 << 30, settings.SpoolBytes);
        var onRequest = settings.OnRequest()!;
        Assert.Empty(onRequest.Spec.Triggers);
        Assert.Equal(new S3Storage("first"), onRequest.Spec.Storage);
        Assert.Equal(ProfilePolicySpec.DefaultCaptures, onRequest.Spec.Captures);
    }

    [Fact]
    public void A_policy_of_the_command_line_chooses_containers_in_a_pod_alone()
    {
        var policy = new ProfilePolicy("p", null, Policy("p", containers: ["app"]).Spec);
        Assert.Null(FollowedSettings.Of(policy, choosesContainers: true).For("go-leak"));
        Assert.Equal("p", FollowedSettings.Of(policy, choosesContainers: false).For("go-leak")!.PolicyOf["near-limit"].Name);
        Assert.Null(FollowedSettings.Of(policy, choosesContainers: true).Revision);
    }

    [Fact]
    public void What_is_written_is_read_with_its_policies()
    {
        var spec = System.Text.Json.Nodes.JsonNode.Parse("""{"triggers":[{"name":"near-limit","memoryUsage":{"threshold":"80%"}}],"storage":{"s3":{"bucket":"profiles","region":"eu-west-1"}}}""")!.AsObject();
        var written = new SidecarSettings
        {
            Revision = "",
            Policies = [new AppliedPolicy(ProfilePolicy.Kind, "p", "shop", 3, spec)],
            Containers = [new ContainerSettings("app", 1 << 28)],
            EndsWithTargets = true,
            RestartPolicy = "OnFailure",
            Requests = [new RequestedCapture("now", "u1", "app", [new CaptureRequest(CaptureType.Heap)])],
        };
        var (settings, error, warnings) = FollowedSettings.Read(SettingsWriter.Write(written));
        Assert.Null(error);
        Assert.Empty(warnings);
        Assert.Equal(0.8, Assert.IsType<MemoryUsageTrigger>(settings!.For("app")!.Spec.Triggers[0]).Threshold.Fraction);
        Assert.Equal(1 << 28, settings.LimitOf("app"));
        Assert.Equal((true, "OnFailure"), (settings.EndsWithTargets, settings.RestartPolicy));
        Assert.Equal("u1", settings.Requests[0].Uid);
        Assert.Equal(SettingsWriter.RevisionOf(written), settings.Revision);
    }

    [Fact]
    public void What_is_wrong_is_told_with_its_field()
    {
        var (settings, error, _) = FollowedSettings.Read("""{"schema":"premortem.dev/settings/v1","revision":"r","policies":[{"kind":"ProfilePolicy","name":"p","spec":{"triggers":[{"name":"t","schedule":{"cron":"nonsense"}}],"storage":{"s3":{"bucket":"b"}}}}]}""");
        Assert.Null(settings);
        Assert.Contains("policies[0].spec.triggers[0].schedule.cron", error, StringComparison.Ordinal);
    }

    internal static ReadPolicy Policy(string name, string[]? containers = null, string bucket = "b", long? spool = null, params Trigger[] triggers) =>
        new(ProfilePolicy.Kind, name, "shop", new ProfilePolicySpec
        {
            Containers = containers ?? [],
            Triggers = triggers.Length > 0 ? triggers : [new MemoryUsageTrigger("near-limit", new MemoryThreshold(0.8, null), TimeSpan.Zero)],
            Storage = new S3Storage(bucket),
            Limits = spool is { } bytes ? new CaptureLimits { SpoolBytes = bytes } : new CaptureLimits(),
        });

    internal static FollowedSettings Of(ReadPolicy[] policies, params string[] containers) =>
        new(new SidecarSettings { Revision = "r", Containers = [.. containers.Select(name => new ContainerSettings(name, null))] }, policies);
}
