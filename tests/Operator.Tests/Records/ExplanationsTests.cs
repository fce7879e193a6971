using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class ExplanationsTests
{
    private static readonly OomKill s_kill = new("shop", "checkout-7d9f-x2x", A.PodUid, "app", "containerd://1", A.Now.AddMinutes(-10), A.Now);

    [Fact]
    public void A_pod_without_a_sidecar_says_why()
    {
        var pod = A.Pod(isInjected: false);
        Assert.Equal(SkipReasons.NotSeen, Why(pod));
        Assert.Equal(SkipReasons.OptedOut, Why(pod.WithAnnotation(Names.InjectAnnotation, "false")));
        Assert.Equal(SkipReasons.NoPolicy, Explanations.NothingOf(s_kill, pod, []).Reason);
        Assert.Equal(SkipReasons.InvalidPolicy, Explanations.NothingOf(s_kill, pod, [A.Policy("bad", "UPPER CASE")]).Reason);
    }

    [Fact]
    public void A_sidecar_that_was_not_there_says_why()
    {
        var pod = A.Pod().With(A.SidecarStatus());
        Assert.Equal(RecordReasons.SidecarOOMKilled, Why(pod.With(A.Killed(Names.SidecarContainer, "containerd://s", A.Now.AddHours(-1), A.Now.AddSeconds(-2)))));
        Assert.Equal(RecordReasons.SidecarNotReady, Why(pod.With(new ContainerStatus(Names.SidecarContainer) { State = new ContainerState { Running = new ContainerRunning(A.Now.AddSeconds(3)) } })));
        Assert.Equal(RecordReasons.SidecarNotReady, Why(pod.With(new ContainerStatus(Names.SidecarContainer))));
        Assert.Equal(RecordReasons.SidecarRestarted, Why(pod.With(new ContainerStatus(Names.SidecarContainer)
        {
            State = new ContainerState { Running = new ContainerRunning(A.Now.AddSeconds(3)) },
            LastState = new ContainerState { Terminated = new ContainerTerminated(2, "Error", A.Now.AddHours(-1), A.Now.AddMinutes(-1), "containerd://s") },
        })));
        Assert.Equal(RecordReasons.SidecarRestarted, Why(pod.With(new ContainerStatus(Names.SidecarContainer)
        {
            State = new ContainerState { Terminated = new ContainerTerminated(2, "Error", A.Now.AddHours(-1), A.Now.AddMinutes(-1), "containerd://s") },
        })));
    }

    [Fact]
    public void A_kill_of_the_sidecar_long_before_explains_nothing() =>
        Assert.Equal(RecordReasons.NoReport, Why(A.Pod().With(A.SidecarStatus()).With(new ContainerStatus(Names.SidecarContainer)
        {
            State = new ContainerState { Running = new ContainerRunning(A.Now.AddHours(-5)) },
            LastState = new ContainerState { Terminated = new ContainerTerminated(137, "OOMKilled", A.Now.AddHours(-9), A.Now.AddHours(-5), "containerd://s") },
        })));

    [Fact]
    public void A_sidecar_that_was_there_says_what_hindered_it()
    {
        var status = A.SidecarStatus();
        var target = status.Targets[0];
        Assert.Equal(RecordReasons.SidecarSilent, Why(A.Pod()));
        Assert.Equal(RecordReasons.SidecarSilent, Why(A.Pod().WithAnnotation(Names.StatusAnnotation, "{nonsense")));
        Assert.Equal(RecordReasons.SettingsInvalid, Why(A.Pod().With(status with { SettingsError = "spec.triggers[0]: …" })));
        Assert.Equal(RecordReasons.NotWatched, Why(A.Pod().With(status with { Targets = [] })));
        Assert.Equal(RecordReasons.NotWatched, Why(A.Pod().With(status with { Targets = [target with { MemorySource = null }] })));
        Assert.Equal(Reasons.EndpointNotFound, Why(A.Pod().With(status with { Targets = [target with { WhyNoProfiles = "nobody serves pprof" }] })));
        Assert.Equal(RecordReasons.StorageUnreachable, Why(A.Pod().With(status with { Storage = new StorageStatus(false, "s3://b/", "StoreUnreachable", "refused") })));
        Assert.Equal(RecordReasons.NoReport, Why(A.Pod().With(status)));
    }

    private static string Why(Pod pod) => Explanations.NothingOf(s_kill, pod, [A.Policy()]).Reason;
}
