using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class CaptureHistoryTests
{
    [Fact]
    public void The_oldest_of_each_policy_are_too_many()
    {
        var captures = Many("a", 5).Concat(Many("b", 3)).ToList();
        Assert.Equal(["a-0", "a-1"], TooMany(captures, _ => 3));
        Assert.Equal(["a-0", "a-1", "a-2", "a-3", "a-4", "b-0", "b-1", "b-2"], TooMany(captures, _ => 0).Order());
        Assert.Empty(TooMany(captures, _ => 5));
    }

    [Fact]
    public void What_is_not_at_its_end_stays_and_takes_no_place()
    {
        var captures = Many("a", 3);
        captures.Add(A.Capture("a-running", phase: CapturePhase.Capturing, started: A.Now.AddDays(-9), policy: "a"));
        captures.Add(A.Capture("a-pending", phase: CapturePhase.Pending, started: A.Now.AddDays(-9), policy: "a"));
        Assert.Equal(["a-0"], TooMany(captures, _ => 2));
    }

    [Fact]
    public void Policies_that_are_gone_share_the_default_so_that_made_up_ones_cannot_fill_the_cluster()
    {
        var captures = Enumerable.Range(0, 30).SelectMany(i => Many($"made-up-{i}", 3)).ToList();
        Assert.Equal(90 - 50, TooMany(captures, _ => null).Count);
    }

    [Fact]
    public void A_cluster_policy_of_the_same_name_counts_for_itself()
    {
        var captures = Many("a", 3);
        captures.AddRange(Many("a", 3).Select(capture => capture with
        {
            Metadata = capture.Metadata with { Name = $"cluster-{capture.Metadata.Name}", Labels = new Dictionary<string, string> { [RecordNames.PolicyKindLabel] = PolicyKey.ClusterKind } },
        }));
        Assert.Equal(["cluster-a-0", "cluster-a-1"], TooMany(captures, policy => policy.Namespace is null ? 1 : 3));
    }

    [Fact]
    public void A_request_stays_for_a_day()
    {
        var captures = Enumerable.Range(0, 60).Select(i => Asked($"asked-{i:00}", A.Now.AddHours(-30 + i))).ToList();
        // Ten are too many, and seven of those are older than a day.
        Assert.Equal(["asked-00", "asked-01", "asked-02", "asked-03", "asked-04", "asked-05", "asked-06"], TooMany(captures, _ => null));

        static ProfileCapture Asked(string name, DateTimeOffset at)
        {
            var capture = A.Capture(name, started: at, completed: at);
            return capture with { Spec = capture.Spec with { Trigger = null, Policy = null } };
        }
    }

    [Fact]
    public void Counts_are_of_the_policys_captures_and_not_of_kills_without_one()
    {
        var kill = A.Capture("kill", "oom-kill", CapturePhase.Failed, CaptureOutcome.OOMKilled, A.Now, A.Now, hasArtifact: false, policy: "a");
        var index = new CaptureIndex([.. Many("a", 4), .. Many("b", 2), kill with { Status = kill.Status! with { CaptureId = null } }]);
        var counts = new CaptureCounts(index);
        Assert.Equal(new CaptureCount(4, A.Now.AddMinutes(-97)), counts.Of(new PolicyKey("ProfilePolicy", "shop", "a")));
        Assert.Equal(new CaptureCount(0, null), counts.Of(new PolicyKey("ClusterProfilePolicy", null, "a")));
        Assert.Equal(new CaptureCount(0, null), counts.Of(new PolicyKey("ProfilePolicy", "other", "a")));
    }

    [Fact]
    public void The_index_follows_what_comes_changes_and_goes()
    {
        var index = new CaptureIndex([]);
        var told = new List<PolicyKey>();
        new CaptureCounts(index).OnChange(told.Add);
        var capture = A.Capture("x", phase: CapturePhase.Capturing);
        index.Change(null, capture);
        var done = capture with { Status = capture.Status! with { Phase = CapturePhase.Completed, CompletedAt = A.Now } };
        index.Change(capture, done);
        index.Change(done, done);
        Assert.Equal(CapturePhase.Completed, Assert.Single(index.OfPod(new("shop", "checkout-7d9f-x2x"))).Status!.Phase);
        index.Change(done, null);
        Assert.Empty(index.Of("shop"));
        Assert.Empty(index.Namespaces);
        Assert.Empty(index.All);
        Assert.Equal(3, told.Count);
    }

    [Fact]
    public void What_is_kept_of_a_record_still_tells_whether_there_is_anything()
    {
        Assert.True(CaptureRecords.HasArtifact(CaptureIndex.Trim(A.Capture("x"))));
        Assert.False(CaptureRecords.HasArtifact(CaptureIndex.Trim(A.Capture("x", hasArtifact: false))));
    }

    private static List<ProfileCapture> Many(string policy, int count) =>
        [.. Enumerable.Range(0, count).Select(i => A.Capture($"{policy}-{i}", started: A.Now.AddMinutes(i - 101), completed: A.Now.AddMinutes(i - 100), policy: policy))];

    private static List<string> TooMany(IReadOnlyList<ProfileCapture> captures, Func<PolicyKey, int?> limit) =>
        [.. CaptureHistory.TooMany(captures, limit, A.Now).Select(capture => capture.Metadata.Name)];
}
