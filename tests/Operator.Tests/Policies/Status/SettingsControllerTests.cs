using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Xunit;

namespace Premortem.Operator.Tests.Policies.Status;

public sealed class SettingsControllerTests
{
    private static readonly ResourceKey s_key = new("shop", "a");
    private readonly List<string> _patches = [];
    private readonly SettingsController _controller;
    private IReadOnlyList<PolicyView> _policies = [PolicyStatusRulesTests.Valid];
    private Pod _stored = new()
    {
        Metadata = new ObjectMeta { Name = "a", Namespace = "shop", Uid = "1", Labels = new Dictionary<string, string> { [Names.InjectedLabel] = "true" } },
        Spec = new PodSpec { Containers = [new PodContainer("app"), new PodContainer(Names.SidecarContainer)] },
        Status = new PodStatus { Phase = "Running" },
    };
    private Pod? _known;
    private int _version;
    private ApiException? _refusal;

    public SettingsControllerTests()
    {
        _known = PodTrim.Trim(_stored);
        _controller = new SettingsController(
            _ => _known,
            (_, _) => Task.FromResult<Pod?>(_stored),
            _ => _policies,
            PodFacts.Of,
            _ => [],
            () => null,
            (_, patch, _) =>
            {
                if (_refusal is not null)
                    throw _refusal;
                var body = JsonSerializer.SerializeToNode(((ResourcePatch.Merge)patch).Body, ResourceJson.Options)!["metadata"]!;
                Assert.Equal("1", (string?)body["uid"]);
                _patches.Add((string?)body["annotations"]![Names.ConfigAnnotation] ?? "");
                return Task.CompletedTask;
            },
            new PatchPace(1000, TimeProvider.System),
            () => { },
            NullLogger.Instance);
    }

    [Fact]
    public async Task Settings_are_written_once_though_the_local_copy_is_late()
    {
        await ReconcileAsync();
        await ReconcileAsync();
        Assert.Single(_patches);
        Arrive();
        await ReconcileAsync();
        Assert.Single(_patches);
    }

    [Fact]
    public async Task A_change_of_a_policy_is_one_write()
    {
        await ReconcileAsync();
        Arrive();
        _policies = [PolicyStatusRulesTests.View(_policies[0].Spec.ToJsonString().Replace("85%", "70%", StringComparison.Ordinal), generation: 2)];
        await ReconcileAsync();
        Arrive();
        await ReconcileAsync();
        Assert.Equal(2, _patches.Count);
        Assert.Contains("70%", _patches[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_an_invalid_policy_the_last_good_settings_stay()
    {
        await ReconcileAsync();
        Arrive();
        _policies = [PolicyStatusRulesTests.View("""{"selector": {}, "triggers": []}""", generation: 2)];
        await ReconcileAsync();
        Assert.Single(_patches);
    }

    [Fact]
    public async Task Settings_that_somebody_else_wrote_are_put_right()
    {
        await ReconcileAsync();
        Arrive();
        Store(_patches[0].Replace("85%", "1%", StringComparison.Ordinal));
        await ReconcileAsync();
        Assert.Equal(2, _patches.Count);
        Assert.Equal(_patches[0], _patches[1]);
    }

    [Fact]
    public async Task A_pod_that_ends_is_told_nothing()
    {
        _known = _known! with { Metadata = _known.Metadata with { DeletionTimestamp = DateTimeOffset.UnixEpoch } };
        await ReconcileAsync();
        _known = PodTrim.Trim(_stored) with { Status = new PodStatus { Phase = "Succeeded" } };
        await ReconcileAsync();
        _known = PodTrim.Trim(_stored with { Metadata = _stored.Metadata with { Labels = null } });
        await ReconcileAsync();
        _known = null;
        await ReconcileAsync();
        Assert.Empty(_patches);
    }

    [Fact]
    public async Task A_pod_that_is_gone_when_it_is_told_is_left_alone()
    {
        _refusal = new ApiException(HttpStatusCode.NotFound, "NotFound", "gone");
        Assert.Equal(ReconcileResult.Done, await ReconcileAsync());
    }

    private void Arrive() => Store(_patches[^1]);

    private void Store(string settings)
    {
        _stored = _stored with { Metadata = _stored.Metadata with { ResourceVersion = $"{++_version}", Annotations = new Dictionary<string, string> { [Names.ConfigAnnotation] = settings } } };
        _known = PodTrim.Trim(_stored);
    }

    private Task<ReconcileResult> ReconcileAsync() => _controller.ReconcileAsync(s_key, TestContext.Current.CancellationToken);
}
