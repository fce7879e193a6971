using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Settings;
using Premortem.Sidecar.Tests.Settings;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Captures;

public sealed class CaptureRequestsTests
{
    private static readonly TimeSpan s_begin = TimeSpan.FromSeconds(100);
    private readonly CaptureRequests _requests = new();
    private readonly Dictionary<string, CaptureRequests.ContainerState> _containers = new() { ["app"] = new(true, TimeSpan.Zero), ["proxy"] = new(true, TimeSpan.Zero) };

    [Fact]
    public void It_begins_once_however_often_the_settings_say_it()
    {
        var settings = Settings([Request("u1", "app")], FollowedSettingsTests.Policy("p"));
        Take(settings);
        var begin = Assert.IsType<RequestDecision.Begin>(Assert.Single(Due(settings)));
        Assert.Equal(("app", true), (begin.Container, begin.IsLast));
        Take(settings);
        Assert.Empty(Due(settings));
        Take(Settings([], FollowedSettingsTests.Policy("p")));
        _requests.Take(settings, uid => uid == "u1", s_begin);
        Assert.Empty(Due(settings));
    }

    [Fact]
    public void Without_a_container_it_is_all_that_are_watched()
    {
        var settings = Settings([Request("u1")], FollowedSettingsTests.Policy("p", containers: ["proxy"]));
        Take(settings);
        Assert.Equal(["proxy"], Due(settings).Select(decision => decision.Container));
    }

    [Fact]
    public void Where_none_is_watched_it_is_every_one_and_the_last_of_them_is_the_last()
    {
        var settings = Settings([Request("u1")], FollowedSettingsTests.Policy("p", containers: ["nobody"]));
        Take(settings);
        Assert.True(_requests.Wants("app"));
        var due = Due(settings);
        Assert.Equal([("app", false), ("proxy", true)], due.Select(decision => (decision.Container, decision.IsLast)));
        Assert.Equal(ProfilePolicySpec.DefaultCaptures, Assert.IsType<RequestDecision.Begin>(due[0]).Spec.Captures);
        Assert.Equal(new S3Storage("b"), ((RequestDecision.Begin)due[0]).Spec.Storage);
        Assert.False(_requests.Wants("app"));
    }

    [Fact]
    public void The_captures_that_are_asked_for_take_the_place_of_the_policys()
    {
        var wanted = new CaptureRequest(CaptureType.Cpu, TimeSpan.FromSeconds(3));
        var settings = Settings([Request("u1", "app") with { Captures = [wanted] }], FollowedSettingsTests.Policy("p"));
        Take(settings);
        Assert.Equal([wanted], Assert.IsType<RequestDecision.Begin>(Assert.Single(Due(settings))).Spec.Captures);
    }

    [Fact]
    public void A_container_that_the_pod_has_not_is_told_at_once()
    {
        var settings = Settings([Request("u1", "ap")], FollowedSettingsTests.Policy("p"));
        Take(settings);
        var fail = Assert.IsType<RequestDecision.Fail>(Assert.Single(Due(settings)));
        Assert.Contains("it has app, proxy", fail.Detail, StringComparison.Ordinal);
        var report = fail.Report(new SidecarIdentity("shop", "checkout", "checkout-1", null), new PolicyReference("p", "shop"), DateTimeOffset.UnixEpoch, "test");
        Assert.Equal(new RequestReference("now", "u1"), report.Request);
        Assert.Equal((CapturePhase.Failed, "requested", 1), (report.Record.Phase, report.Record.Trigger.Name, report.Sequence));
        Assert.All(report.Record.Artifacts, artifact => Assert.Equal(fail.Detail, artifact.Error));
        Assert.Equal("Heap", report.Record.Artifacts[0].Type);
    }

    [Fact]
    public void A_process_is_waited_for_but_not_for_ever()
    {
        _containers.Remove("app");
        var settings = Settings([Request("u1", "app")], FollowedSettingsTests.Policy("p"));
        Take(settings);
        Assert.Empty(Due(settings, 9.9));
        Assert.Equal(Reasons.TargetExited, Assert.IsType<RequestDecision.Fail>(Assert.Single(Due(settings, 10))).Reason);
    }

    [Fact]
    public void Profiles_are_waited_for_where_a_process_has_just_come()
    {
        _containers["app"] = new(false, s_begin);
        var settings = Settings([Request("u1", "app")], FollowedSettingsTests.Policy("p"));
        Take(settings);
        Assert.Empty(Due(settings, 2.9));
        Assert.IsType<RequestDecision.Begin>(Assert.Single(Due(settings, 3)));
    }

    [Fact]
    public void What_is_no_longer_asked_for_does_not_begin()
    {
        _containers.Remove("app");
        var policy = FollowedSettingsTests.Policy("p");
        Take(Settings([Request("u1", "app")], policy));
        Take(Settings([], policy));
        Assert.Empty(Due(Settings([], policy), 60));
        Assert.True(_requests.IsIdle);
    }

    [Fact]
    public void Without_a_policy_nobody_says_where_to_store_it()
    {
        var settings = Settings([Request("u1", "app")]);
        Take(settings);
        Assert.Equal(Reasons.StoreUnreachable, Assert.IsType<RequestDecision.Fail>(Assert.Single(Due(settings))).Reason);
    }

    [Fact]
    public void What_is_done_is_known_to_the_next_life_of_the_sidecar()
    {
        using var folder = new TemporaryFolder();
        var ledger = new RequestLedger(folder.File("requests.json"), ["begun"]);
        ledger.Done("u1");
        Assert.True(ledger.IsDone("u1") && ledger.IsDone("begun") && !ledger.IsDone("u2"));
        Assert.True(new RequestLedger(folder.File("requests.json"), []).IsDone("u1"));
        for (var i = 0; i < RequestLedger.Most; i++)
            ledger.Done($"more-{i}");
        var next = new RequestLedger(folder.File("requests.json"), []);
        Assert.True(!next.IsDone("u1") && next.IsDone("more-0") && next.IsDone($"more-{RequestLedger.Most - 1}"));
        File.WriteAllText(folder.File("requests.json"), "[nonsense");
        Assert.False(new RequestLedger(folder.File("requests.json"), []).IsDone("more-0"));
    }

    private static RequestedCapture Request(string uid, string? container = null) => new("now", uid, container, []);

    private static FollowedSettings Settings(RequestedCapture[] requests, params ReadPolicy[] policies) => new(
        new SidecarSettings { Revision = "r", Containers = [new ContainerSettings("app", null), new ContainerSettings("proxy", null)], Requests = requests },
        policies);

    private void Take(FollowedSettings settings) => _requests.Take(settings, _ => false, s_begin);

    private IReadOnlyList<RequestDecision> Due(FollowedSettings settings, double seconds = 0) => _requests.Due(
        settings,
        container => _containers.TryGetValue(container, out var state) ? state : null,
        s_begin + TimeSpan.FromSeconds(seconds));
}
