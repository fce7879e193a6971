using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Xunit;
using static Premortem.Operator.Tests.Policies.PolicySelectorTests;

namespace Premortem.Operator.Tests.Policies;

public sealed class PolicyIndexTests
{
    private readonly PolicyIndex _index = new();
    private readonly List<(PolicyView? Old, PolicyView? New)> _changes = [];

    public PolicyIndexTests() => _index.OnChange((old, now) => _changes.Add((old, now)));

    [Fact]
    public void A_namespace_has_its_own_policies_and_then_those_of_the_cluster()
    {
        Add("z", null);
        Add("b", "shop");
        Add("a", "shop");
        Add("a", "bank");
        Add("e", null);
        Assert.Equal(["shop/a", "shop/b", "e", "z"], _index.For("shop").Select(policy => policy.FullName));
        Assert.Equal(["bank/a", "e", "z"], _index.For("bank").Select(policy => policy.FullName));
        Assert.Equal(["e", "z"], _index.For("empty").Select(policy => policy.FullName));
        Assert.Equal(5, _index.All.Count);
        Assert.Equal("shop/b", _index.Get(new ResourceKey("shop", "b"))!.FullName);
        Assert.Null(_index.Get(new ResourceKey("shop", "e")));
    }

    [Fact]
    public void A_change_is_told_with_what_was()
    {
        var first = Add("a", "shop");
        var second = Resource("a", "shop", """{"selector": {}, "runtime": "Go"}""", generation: 2);
        _index.Apply(first, second);
        _index.Apply(second, null);
        Assert.Equal(3, _changes.Count);
        Assert.Null(_changes[0].Old);
        Assert.Same(_changes[0].New, _changes[1].Old);
        Assert.Equal(2, _changes[1].New!.Generation);
        Assert.Same(_changes[1].New, _changes[2].Old);
        Assert.Null(_changes[2].New);
        Assert.Empty(_index.For("shop"));
        Assert.Empty(_index.All);
    }

    [Fact]
    public void A_status_is_no_change()
    {
        var policy = Add("a", "shop");
        var view = Assert.Single(_index.For("shop"));
        _index.Apply(policy, policy with { Status = new PolicyStatus { MatchedPods = 3 } });
        Assert.Single(_changes);
        Assert.Same(view, Assert.Single(_index.For("shop")));
    }

    [Fact]
    public void A_resync_is_told_and_reads_nothing_again()
    {
        var policy = Add("a", "shop");
        _index.Apply(policy, policy);
        Assert.Equal(2, _changes.Count);
        Assert.Same(_changes[1].Old, _changes[1].New);
        Assert.Same(_changes[0].New, _changes[1].New);
    }

    [Fact]
    public void Another_policy_of_the_same_name_is_another()
    {
        var policy = Add("a", "shop");
        _index.Apply(policy, Resource("a", "shop", """{"selector": {}}""", uid: "2"));
        Assert.Equal("2", Assert.Single(_index.For("shop")).Uid);
        Assert.Equal(2, _changes.Count);
    }

    [Fact]
    public void A_policy_that_nobody_knew_may_be_deleted()
    {
        _index.Apply(Resource("a", "shop", "{}"), null);
        Assert.Empty(_changes);
    }

    [Fact]
    public async Task Who_reads_while_it_changes_sees_a_whole_one()
    {
        var ct = TestContext.Current.CancellationToken;
        var done = false;
        var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(
            () =>
            {
                while (!Volatile.Read(ref done))
                {
                    var seen = _index.For("shop").Select(policy => policy.Name).ToList();
                    Assert.Equal(seen.Order(StringComparer.Ordinal), seen);
                }
            },
            ct)).ToList();
        for (var i = 0; i < 300; i++)
        {
            var policy = Add($"p{i * 7919 % 300:000}", "shop");
            if (i % 3 == 0)
                _index.Apply(policy, null);
        }
        Volatile.Write(ref done, true);
        await Task.WhenAll(readers);
        Assert.Equal(200, _index.For("shop").Count);
    }

    private PolicyResource Add(string name, string? @namespace)
    {
        var policy = Resource(name, @namespace, """{"selector": {}, "triggers": [{"name": "near", "memoryUsage": {"threshold": "85%"}}], "storage": {"directory": {"path": "/x"}}}""");
        _index.Apply(null, policy);
        return policy;
    }
}
