using Premortem.Contracts;
using Premortem.Operator.Policies;
using Premortem.Runtime;
using Xunit;

namespace Premortem.Operator.Tests.Policies.Status;

public sealed class PolicyStatusesTests
{
    private static readonly PolicyKey s_shop = new(new ResourceKey("shop", "checkout"));
    private static readonly PolicyKey s_everywhere = new(new ResourceKey(null, "everywhere"));

    private readonly Dictionary<ResourceKey, PodStanding> _pods = [];
    private readonly List<PolicyKey> _told = [];
    private readonly PolicyStatuses _statuses;

    public PolicyStatusesTests() => _statuses = new PolicyStatuses(key => _pods.GetValueOrDefault(key)) { OnChange = _told.Add };

    [Fact]
    public void A_pod_counts_for_each_policy_that_selects_it()
    {
        Assert.True(Put("a", Injected(s_shop, s_everywhere)));
        Assert.False(Put("b", Missed("NotSeen", s_everywhere)));
        Assert.Equal((1, 1), Counts(s_shop));
        Assert.Equal((2, 1), Counts(s_everywhere));
        var missed = Assert.Single(_statuses.Read(s_everywhere).Missed);
        Assert.Equal(("NotSeen", 1), (missed.Reason, missed.Count));
        Assert.Equal(["shop/b"], missed.Examples);
        Assert.Equal((1, 1, 0, 0), _statuses.Totals());
    }

    [Fact]
    public void A_pod_that_is_gone_counts_no_more()
    {
        Put("a", Injected(s_shop));
        Put("b", Missed("OptedOut", s_shop));
        Put("a", null);
        Put("b", null);
        Assert.Same(PolicyTally.Empty, _statuses.Read(s_shop));
        Assert.Empty(_statuses.Pods());
        Assert.Equal((0, 0, 0, 0), _statuses.Totals());
    }

    [Fact]
    public void What_changes_nothing_tells_nobody()
    {
        Put("a", Injected(s_shop));
        _told.Clear();
        Assert.False(Put("a", Injected(s_shop)));
        Assert.Empty(_told);
    }

    [Fact]
    public void Whom_a_change_concerns_is_told_and_nobody_else()
    {
        Put("a", Injected(s_shop));
        _told.Clear();
        Put("a", Injected(s_everywhere));
        Assert.Equal([s_shop, s_everywhere], _told.OrderBy(key => key.IsClusterWide));
    }

    [Fact]
    public void Settings_are_to_be_looked_at_when_other_policies_or_generations_select_the_pod()
    {
        Assert.True(Put("a", Injected(s_shop)));
        Assert.True(Put("a", Injected(s_shop) with { Policies = [new SelectedPolicy(s_shop, "u", 2)] }));
        Assert.False(Put("a", Injected(s_shop) with { Policies = [new SelectedPolicy(s_shop, "u", 2)], HasReported = true }));
        Assert.True(Put("a", Injected()));
        Assert.False(Put("b", Missed("NotSeen", s_shop)));
    }

    [Fact]
    public void Reasons_come_by_how_many_and_name_the_first_pods()
    {
        foreach (var name in new[] { "e", "d", "c", "b" })
            Put(name, Missed("NotSeen", s_shop));
        Put("a", Missed("OptedOut", s_shop));
        var missed = _statuses.Read(s_shop).Missed;
        Assert.Equal(["NotSeen", "OptedOut"], missed.Select(reason => reason.Reason));
        Assert.Equal(["b", "c", "d"], missed[0].Examples);
        Put("b", null);
        Assert.Equal(["c", "d", "e"], _statuses.Read(s_shop).Missed[0].Examples);
    }

    [Fact]
    public void Stores_and_settings_are_counted_as_the_sidecars_say()
    {
        Put("a", Injected(s_shop) with { HasReported = true, Storage = new StorageStatus(true, "s3://b/", null, null) });
        Put("b", Injected(s_shop) with { HasReported = true, Storage = new StorageStatus(false, "s3://b/", Reasons.AccessDenied, "403 for PutObject") });
        Put("c", Injected(s_shop) with { HasReported = true, SettingsError = "spec.triggers[0]: is unknown" });
        Put("d", Injected(s_shop) with { HasReported = true, IsBehind = true });
        var tally = _statuses.Read(s_shop);
        Assert.Equal((4, 4, 1, 4), (tally.Matched, tally.Injected, tally.StorageReached, tally.Reported));
        Assert.Equal(new PodProblem(Reasons.AccessDenied, 1, "b", "403 for PutObject"), Assert.Single(tally.StorageProblems));
        Assert.Equal(new PodProblem("Refused", 1, "c", "spec.triggers[0]: is unknown"), tally.Refused);
        Assert.Equal(new PodProblem("Behind", 1, "d", ""), tally.Behind);
    }

    [Fact]
    public void Any_order_of_changes_comes_to_the_same_counts()
    {
        var random = new Random(7);
        PodStanding?[] standings = [null, Injected(s_shop), Injected(s_everywhere, s_shop), Missed("NotSeen", s_shop), Missed("OptedOut", s_everywhere), Injected(s_shop) with { SettingsError = "no" }];
        for (var i = 0; i < 5000; i++)
            Put($"p{random.Next(20)}", standings[random.Next(standings.Length)]);
        foreach (var policy in new[] { s_shop, s_everywhere })
        {
            var of = _pods.Values.Where(pod => pod.Policies.Any(selected => selected.Key == policy)).ToArray();
            Assert.Equal((of.Length, of.Count(pod => pod.IsInjected)), Counts(policy));
            Assert.Equal(of.Count(pod => !pod.IsInjected), _statuses.Read(policy).Missed.Sum(reason => reason.Count));
            Assert.Equal(of.Count(pod => pod.SettingsError is not null), _statuses.Read(policy).Refused?.Count ?? 0);
        }
    }

    private bool Put(string name, PodStanding? standing)
    {
        var key = new ResourceKey("shop", name);
        if (standing is null)
            _pods.Remove(key);
        else
            _pods[key] = standing;
        return _statuses.Refresh(key);
    }

    private (int, int) Counts(PolicyKey policy) => (_statuses.Read(policy).Matched, _statuses.Read(policy).Injected);

    private static PodStanding Injected(params PolicyKey[] policies) => new([.. policies.Select(key => new SelectedPolicy(key, "u", 1))], null, null, null, false, false);

    private static PodStanding Missed(string reason, params PolicyKey[] policies) => Injected(policies) with { Missed = reason };
}
