using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Xunit;

namespace Premortem.Operator.Tests.Policies.Status;

public sealed class PolicyStatusRulesTests
{
    private static readonly DateTimeOffset s_now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_policy_without_pods_is_ready_and_knows_nothing_else()
    {
        var status = Build(Valid, PolicyTally.Empty);
        Assert.Equal(
            [("Ready", "True", "Valid"), ("Injecting", "Unknown", "NoPods"), ("StorageReachable", "Unknown", "NotReported"), ("SettingsApplied", "Unknown", "NoPods")],
            status.Conditions!.Select(Short));
        Assert.Equal((1L, 0, 0, 0L), (status.ObservedGeneration, status.MatchedPods, status.InjectedPods, status.Captures));
        Assert.All(status.Conditions!, condition => Assert.Equal((1L, s_now), (condition.ObservedGeneration, condition.LastTransitionTime)));
    }

    [Fact]
    public void Who_was_not_seen_is_counted_named_and_told_what_to_do()
    {
        var status = Build(Valid, new PolicyTally { Matched = 6, Injected = 2, Missed = [new MissedPods(SkipReasons.NotSeen, 3, ["a", "b"]), new MissedPods(SkipReasons.OptedOut, 1, ["c"])] });
        var condition = Of(status, "Injecting");
        Assert.Equal(("False", SkipReasons.NotSeen), (condition.Status, condition.Reason));
        Assert.StartsWith("2 of 6 pods have the sidecar; without: 3 NotSeen (a, b, …), 1 OptedOut (c).", condition.Message, StringComparison.Ordinal);
        Assert.Contains("kubectl rollout restart", condition.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_opts_out_is_no_reason_to_complain() =>
        Assert.Equal("True", Of(Build(Valid, new PolicyTally { Matched = 2, Injected = 1, Missed = [new MissedPods(SkipReasons.OptedOut, 1, ["c"])] }), "Injecting").Status);

    [Fact]
    public void An_invalid_policy_says_every_problem_and_what_stays()
    {
        var status = Build(View("""{"selector": {}, "runtime": "Cobol", "triggers": []}"""), new PolicyTally { Matched = 1, Injected = 1, Reported = 1 });
        var ready = Of(status, "Ready");
        Assert.Equal(("False", "Invalid"), (ready.Status, ready.Reason));
        Assert.Contains("spec.runtime", ready.Message, StringComparison.Ordinal);
        Assert.Contains("spec.storage", ready.Message, StringComparison.Ordinal);
        Assert.Contains("keep the last settings", ready.Message, StringComparison.Ordinal);
        Assert.Equal("False", Of(status, "SettingsApplied").Status);
    }

    [Fact]
    public void A_store_that_one_sidecar_cannot_reach_is_told_with_its_words()
    {
        var tally = new PolicyTally { Matched = 5, Injected = 5, StorageReached = 2, StorageProblems = [new PodProblem(Reasons.AccessDenied, 2, "a", "403"), new PodProblem(Reasons.BucketNotFound, 1, "z", "404")] };
        var condition = Of(Build(Valid, tally), "StorageReachable");
        Assert.Equal(("False", Reasons.AccessDenied, "3 of 5 sidecars cannot store: AccessDenied 2, BucketNotFound 1; a says: 403"), (condition.Status, condition.Reason, condition.Message));
        Assert.Equal("True", Of(Build(Valid, tally with { StorageProblems = [] }), "StorageReachable").Status);
    }

    [Fact]
    public void Settings_are_refused_before_they_are_late_and_late_before_they_are_applied()
    {
        var tally = new PolicyTally { Matched = 3, Injected = 3, Reported = 3, Refused = new PodProblem("Refused", 1, "a", "spec: no"), Behind = new PodProblem("Behind", 1, "b", "") };
        Assert.Equal(("SettingsApplied", "False", "Refused"), Short(Of(Build(Valid, tally), "SettingsApplied")));
        Assert.Equal(("SettingsApplied", "False", "Behind"), Short(Of(Build(Valid, tally with { Refused = null }), "SettingsApplied")));
        Assert.Equal(("SettingsApplied", "True", "Applied"), Short(Of(Build(Valid, tally with { Refused = null, Behind = null }), "SettingsApplied")));
    }

    [Fact]
    public void A_condition_keeps_its_time_until_it_turns()
    {
        var old = Build(Valid, new PolicyTally { Matched = 1, Injected = 1 });
        var later = s_now.AddMinutes(5);
        var next = PolicyStatusRules.Build(Valid, new PolicyTally { Matched = 2, Injected = 1, Missed = [new MissedPods(SkipReasons.NotSeen, 1, ["b"])] }, default, old, later);
        Assert.Equal(s_now, Of(next, "Ready").LastTransitionTime);
        Assert.Equal(later, Of(next, "Injecting").LastTransitionTime);
    }

    [Fact]
    public void Nothing_is_written_where_nothing_differs()
    {
        var status = Build(Valid, Tally());
        Assert.Null(PolicyStatusRules.Patch(status, PolicyStatusRules.Build(Valid, Tally(), default, status, s_now.AddHours(1))));
        Assert.NotNull(PolicyStatusRules.Patch(null, status));

        static PolicyTally Tally() => new() { Matched = 2, Injected = 1, Missed = [new MissedPods("NotSeen", 1, ["b"])] };
    }

    [Fact]
    public void What_is_no_longer_true_is_removed_by_the_patch()
    {
        var old = Build(Valid, PolicyTally.Empty) with { LastCaptureTime = s_now };
        var patch = PolicyStatusRules.Patch(old, Build(Valid, PolicyTally.Empty))!["status"]!.AsObject();
        Assert.True(patch.ContainsKey("lastCaptureTime"));
        Assert.Null(patch["lastCaptureTime"]);
    }

    [Fact]
    public void A_message_has_an_end()
    {
        var status = Build(Valid, new PolicyTally { Matched = 1, Injected = 1, Reported = 1, Refused = new PodProblem("Refused", 1, "a", new string('x', 100_000)) });
        Assert.InRange(Of(status, "SettingsApplied").Message.Length, 100, 1024);
    }

    internal static PolicyView Valid => View("""{"selector": {}, "triggers": [{"name": "near-limit", "memoryUsage": {"threshold": "85%"}}], "storage": {"directory": {"path": "/p"}}}""");

    internal static PolicyView View(string spec, long generation = 1) => PolicyView.From(new PolicyResource
    {
        Metadata = new ObjectMeta { Name = "checkout", Namespace = "shop", Uid = "u", Generation = generation },
        Spec = JsonNode.Parse(spec)!.AsObject(),
    });

    private static PolicyStatus Build(PolicyView policy, PolicyTally tally) => PolicyStatusRules.Build(policy, tally, default, null, s_now);

    private static Condition Of(PolicyStatus status, string type) => status.Conditions!.Single(condition => condition.Type == type);

    private static (string, string, string) Short(Condition condition) => (condition.Type, condition.Status, condition.Reason);
}
