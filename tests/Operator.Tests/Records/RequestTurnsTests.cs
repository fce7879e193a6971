using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class RequestTurnsTests
{
    [Fact]
    public void So_many_are_under_way_and_the_oldest_is_next()
    {
        var index = new CaptureIndex([]);
        var turns = new RequestTurns(index, 2);
        ProfileCapture[] requests = [.. Enumerable.Range(0, 4).Select(i => Request($"r{i}", minutes: 4 - i))];
        foreach (var request in requests)
            index.Change(null, request);
        Assert.Equal([false, false, true, true], requests.Select(turns.TryTake));
        // It is asked again until its own write comes by.
        Assert.Equal([false, false, true, true], requests.Select(turns.TryTake));
        index.Change(requests[3], requests[3] with { Metadata = requests[3].Metadata with { ResourceVersion = "2" } });
        Assert.False(turns.TryTake(requests[1]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_turn_ends_with_its_request(bool isDeleted)
    {
        var index = new CaptureIndex([]);
        var turns = new RequestTurns(index, 1);
        var (first, second) = (Request("first", 1), Request("second", 2));
        index.Change(null, first);
        index.Change(null, second);
        Assert.True(turns.TryTake(first));
        var bound = first with { Status = new ProfileCaptureStatus { Phase = CapturePhase.Pending, PodUid = A.PodUid } };
        index.Change(first, bound);
        var came = new List<ResourceKey>();
        turns.TurnCame = came.Add;
        var capturing = bound with { Status = bound.Status! with { Phase = CapturePhase.Capturing, CaptureId = "abcd" } };
        index.Change(bound, capturing);
        Assert.Empty(came);
        Assert.False(turns.TryTake(second));
        index.Change(capturing, isDeleted ? null : capturing with { Status = capturing.Status! with { Phase = CapturePhase.Partial } });
        Assert.Equal([ResourceKey.Of(second)], came);
        Assert.True(turns.TryTake(second));
    }

    [Fact]
    public void A_turn_that_was_not_used_goes_back_and_what_a_trigger_fired_takes_none()
    {
        var index = new CaptureIndex([]);
        var turns = new RequestTurns(index, 1);
        var fired = Request("fired", 0) with { Spec = new ProfileCaptureSpec { PodName = "a", Trigger = "near-limit" }, Status = new ProfileCaptureStatus { Phase = CapturePhase.Capturing, PodUid = A.PodUid } };
        index.Change(null, fired);
        var (first, second) = (Request("first", 1), Request("second", 2));
        index.Change(null, first);
        index.Change(null, second);
        Assert.True(turns.TryTake(first));
        turns.GiveBack(first);
        Assert.False(turns.TryTake(second));
        Assert.True(turns.TryTake(first));
    }

    [Fact]
    public void A_new_leader_knows_what_is_under_way()
    {
        var bound = Request("first", 1) with { Status = new ProfileCaptureStatus { Phase = CapturePhase.Pending, PodUid = A.PodUid } };
        var second = Request("second", 2);
        var turns = new RequestTurns(new CaptureIndex([second, bound]), 1);
        Assert.False(turns.TryTake(second));
        Assert.True(turns.TryTake(bound));
    }

    private static ProfileCapture Request(string name, int minutes) => new()
    {
        Metadata = new ObjectMeta { Name = name, Namespace = "shop", CreationTimestamp = A.Now.AddMinutes(minutes) },
        Spec = new ProfileCaptureSpec { PodName = "a" },
    };
}
