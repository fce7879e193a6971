using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Premortem.Runtime;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class RequestTests
{
    [Fact]
    public void A_request_is_handed_to_the_pod_that_it_was_bound_to_and_to_no_other_of_its_name()
    {
        var bound = Bound(A.Request(captures: [new CaptureSpec(CaptureType.Heap), new CaptureSpec(CaptureType.Cpu) { Duration = "5s" }]));
        var requests = new CaptureRequests(new CaptureIndex([bound]));
        var asked = Assert.Single(requests.For(A.Pod()));
        Assert.Equal(("now", "uid-now", "app"), (asked.Name, asked.Uid, asked.Container));
        Assert.Equal([new CaptureRequest(CaptureType.Heap), new CaptureRequest(CaptureType.Cpu, TimeSpan.FromSeconds(5))], asked.Captures);
        Assert.Empty(requests.For(A.Pod() with { Metadata = A.Pod().Metadata with { Uid = "another" } }));
        Assert.Empty(requests.For(A.Pod("another")));
    }

    [Fact]
    public void The_pod_hears_of_a_request_whose_turn_came_after_it_stood_in_line()
    {
        var queued = A.Request() with { Status = new ProfileCaptureStatus { Phase = CapturePhase.Pending } };
        var index = new CaptureIndex([queued]);
        var told = new List<ResourceKey>();
        new CaptureRequests(index).OnChange(told.Add);

        index.Change(queued, queued with { Status = queued.Status! with { Top = [] } });
        Assert.Empty(told);
        index.Change(queued, Bound(queued));
        Assert.Equal([ResourceKey.Of(A.Pod())], told);
    }

    [Fact]
    public void What_is_not_waiting_is_not_handed_out()
    {
        var bound = Bound(A.Request());
        var others = new[]
        {
            A.Request(),
            bound with { Status = bound.Status! with { Phase = CapturePhase.Failed } },
            bound with { Status = bound.Status! with { Phase = CapturePhase.Capturing, CaptureId = "0196a1b2c3d4" } },
            bound with { Spec = bound.Spec with { Trigger = "requested" } },
            bound with { Metadata = bound.Metadata with { DeletionTimestamp = A.Now } },
        };
        foreach (var other in others)
            Assert.Empty(new CaptureRequests(new CaptureIndex([other])).For(A.Pod()));
        Assert.Single(new CaptureRequests(new CaptureIndex([bound])).For(A.Pod()));
    }

    [Fact]
    public void The_defaults_of_a_policy_are_those_of_a_request()
    {
        var (request, problem) = CaptureRequests.Read(A.Request(captures: [new CaptureSpec(CaptureType.Cpu), new CaptureSpec(CaptureType.Trace), new CaptureSpec(CaptureType.Dump) { DumpType = DumpType.Triage }]));
        Assert.Null(problem);
        Assert.Equal(
            [
                new CaptureRequest(CaptureType.Cpu, CaptureRequest.DefaultCpuDuration),
                new CaptureRequest(CaptureType.Trace, CaptureRequest.DefaultTraceDuration),
                new CaptureRequest(CaptureType.Dump) { DumpType = DumpType.Triage },
            ],
            request!.Captures);
    }

    [Theory]
    [InlineData(CaptureType.Heap, "5s", null, "spec.captures[0].duration")]
    [InlineData(CaptureType.Cpu, "soon", null, "spec.captures[0].duration")]
    [InlineData(CaptureType.Cpu, "11m", null, "spec.captures[0].duration")]
    [InlineData(CaptureType.Cpu, null, DumpType.Full, "spec.captures[0].dumpType")]
    public void What_cannot_be_asked_for_names_its_field(CaptureType type, string? duration, DumpType? dump, string path) =>
        Assert.Equal(path, CaptureRequests.Read(A.Request(captures: [new CaptureSpec(type) { Duration = duration, DumpType = dump }])).Problem!.Path);

    [Fact]
    public void A_request_for_a_pod_with_a_sidecar_waits_for_ten_minutes()
    {
        var wait = Assert.IsType<RequestDecision.Wait>(Decide(A.Request(), A.Pod(), A.Now));
        Assert.Equal((A.PodUid, true, TimeSpan.FromMinutes(10)), (wait.PodUid, wait.IsNew, wait.AtMost));
        wait = Assert.IsType<RequestDecision.Wait>(Decide(Bound(A.Request()), A.Pod(), A.Now.AddMinutes(4)));
        Assert.Equal((false, TimeSpan.FromMinutes(6)), (wait.IsNew, wait.AtMost));
    }

    [Fact]
    public void A_request_that_cannot_be_answered_fails_with_what_to_do()
    {
        Fails(RecordReasons.PodNotFound, "kubectl get pods -n shop", A.Request(), null);
        Fails(RecordReasons.PodNotInjected, "rollout restart", A.Request(), A.Pod(isInjected: false));
        Fails(RecordReasons.ContainerUnknown, "app, proxy", A.Request(container: "premortem"), A.Pod());
        Fails(RecordReasons.PodEnded, "Succeeded", A.Request(), A.Pod() with { Status = new PodStatus { Phase = "Succeeded" } });
        Fails(RecordReasons.PodEnded, "deleted", Bound(A.Request()), null);
        Fails(RecordReasons.PodEnded, "ask again", Bound(A.Request()), A.Pod() with { Metadata = A.Pod().Metadata with { Uid = "another" } });
        Fails(RecordReasons.InvalidRequest, "spec.captures[1].type", A.Request(captures: [new CaptureSpec(CaptureType.Heap), new CaptureSpec(CaptureType.Heap)]), A.Pod());
    }

    [Fact]
    public void No_answer_says_what_the_sidecar_last_said()
    {
        var late = A.Now.AddMinutes(10);
        Fails(RecordReasons.NoAnswer, "never reached the operator", Bound(A.Request()), A.Pod(), late);
        Fails(RecordReasons.NoAnswer, "cannot follow its settings: field x", Bound(A.Request()), A.Pod().With(A.SidecarStatus() with { SettingsError = "field x" }), late);
        Fails(RecordReasons.NoAnswer, "follows the settings r1", Bound(A.Request()), A.Pod().With(A.SidecarStatus()), late);
        Fails(RecordReasons.NoAnswer, "OOM-killed itself", Bound(A.Request()), A.Pod().With(new ContainerStatus(Names.SidecarContainer)
        {
            State = new ContainerState { Terminated = new ContainerTerminated(137, "OOMKilled", A.Now, A.Now, "containerd://s") },
        }), late);
    }

    private static void Fails(string reason, string detail, ProfileCapture request, Pod? pod, DateTimeOffset? now = null)
    {
        var fail = Assert.IsType<RequestDecision.Fail>(Decide(request, pod, now ?? A.Now));
        Assert.Equal(reason, fail.Reason);
        Assert.Contains(detail, fail.Detail, StringComparison.Ordinal);
    }

    private static RequestDecision Decide(ProfileCapture request, Pod? pod, DateTimeOffset now) => RequestDecision.For(request, pod, [A.Policy()], now);

    private static ProfileCapture Bound(ProfileCapture request) => request with
    {
        Status = new ProfileCaptureStatus
        {
            Phase = CapturePhase.Pending,
            PodUid = A.PodUid,
            Conditions = CaptureRecords.With(null, A.Now, new Condition(CaptureRecords.CompleteCondition, "False", RecordReasons.Waiting, "…")),
        },
    };
}
