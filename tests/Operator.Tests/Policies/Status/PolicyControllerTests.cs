using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Xunit;

namespace Premortem.Operator.Tests.Policies.Status;

public sealed class PolicyControllerTests
{
    private static readonly PolicyKey s_key = new(new ResourceKey("shop", "checkout"));
    private readonly FakeTimeProvider _time = new();
    private readonly List<ResourcePatch> _patches = [];
    private readonly Dictionary<ResourceKey, PodStanding> _pods = [];
    private readonly PolicyStatuses _statuses;
    private readonly PolicyController _controller;
    private PolicyView? _view = PolicyStatusRulesTests.Valid;
    private PolicyResource _resource = new() { Metadata = new ObjectMeta { Name = "checkout", Namespace = "shop", Uid = "u", Generation = 1, ResourceVersion = "1" } };
    private ApiException? _refusal;

    public PolicyControllerTests()
    {
        _statuses = new PolicyStatuses(key => _pods.GetValueOrDefault(key));
        _controller = new PolicyController(_ => _view, _ => _resource, _statuses, _ => default, (_, patch, _) =>
        {
            if (_refusal is not null)
                throw _refusal;
            _patches.Add(patch);
            return Task.FromResult(_resource);
        }, () => { }, _time, NullLogger.Instance);
    }

    [Fact]
    public async Task A_status_is_written_once_though_the_local_copy_is_late()
    {
        await ReconcileAsync();
        _time.Advance(TimeSpan.FromSeconds(5));
        await ReconcileAsync();
        Assert.Single(_patches);
    }

    [Fact]
    public async Task A_second_change_within_a_second_waits_for_the_rest_of_it()
    {
        await ReconcileAsync();
        _time.Advance(TimeSpan.FromMilliseconds(400));
        AddPod();
        Assert.Equal(ReconcileResult.After(TimeSpan.FromMilliseconds(600)), await ReconcileAsync());
        Assert.Single(_patches);
        _time.Advance(TimeSpan.FromMilliseconds(600));
        Assert.Equal(ReconcileResult.Done, await ReconcileAsync());
        Assert.Equal(2, _patches.Count);
    }

    [Fact]
    public async Task What_somebody_else_wrote_is_put_right()
    {
        await ReconcileAsync();
        _time.Advance(TimeSpan.FromSeconds(5));
        _resource = _resource with { Metadata = _resource.Metadata with { ResourceVersion = "9" }, Status = new PolicyStatus { MatchedPods = 99 } };
        await ReconcileAsync();
        Assert.Equal(2, _patches.Count);
    }

    [Fact]
    public async Task A_policy_that_is_gone_is_left_alone()
    {
        _refusal = new ApiException(HttpStatusCode.NotFound, "NotFound", "gone");
        Assert.Equal(ReconcileResult.Done, await ReconcileAsync());
        (_refusal, _view) = (null, null);
        Assert.Equal(ReconcileResult.Done, await ReconcileAsync());
        Assert.Empty(_patches);
    }

    [Fact]
    public async Task A_refusal_is_for_the_queue_to_try_again()
    {
        _refusal = new ApiException(HttpStatusCode.TooManyRequests, "TooManyRequests", "later");
        await Assert.ThrowsAsync<ApiException>(ReconcileAsync);
        _refusal = null;
        await ReconcileAsync();
        Assert.Single(_patches);
    }

    private void AddPod()
    {
        var key = new ResourceKey("shop", "a");
        _pods[key] = new PodStanding([new SelectedPolicy(s_key, "u", 1)], null, null, null, false, false);
        _statuses.Refresh(key);
    }

    private Task<ReconcileResult> ReconcileAsync() => _controller.ReconcileAsync(s_key, TestContext.Current.CancellationToken);
}
