using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class OomKillsTests
{
    private static readonly DateTimeOffset s_started = A.Now.AddMinutes(-30);
    private static readonly DateTimeOffset s_killed = A.Now;
    private static readonly OomKill s_kill = Kill(s_started, s_killed);

    [Fact]
    public void A_pod_tells_of_its_last_life_and_of_the_one_before()
    {
        var pod = A.Pod().With(new ContainerStatus("app")
        {
            State = new ContainerState { Terminated = new ContainerTerminated(137, "OOMKilled", s_started, s_killed, "containerd://2") },
            LastState = new ContainerState { Terminated = new ContainerTerminated(137, "OOMKilled", s_started.AddHours(-1), s_killed.AddHours(-1), "containerd://1") },
        });
        Assert.Equal(["containerd://1", "containerd://2"], OomKills.Of(pod).Select(kill => kill.ContainerId));
        Assert.Equal(Kill(s_started, s_killed, "containerd://2"), OomKills.Of(pod)[1]);
    }

    [Fact]
    public void Another_end_is_no_kill()
    {
        Assert.Empty(OomKills.Of(A.Pod()));
        Assert.Empty(OomKills.Of(A.Pod().With(new ContainerStatus("app") { LastState = new ContainerState { Terminated = new ContainerTerminated(137, "Error", s_started, s_killed, "containerd://1") } })));
    }

    [Fact]
    public void A_runtime_that_tells_no_id_still_gives_each_kill_a_name_of_its_own()
    {
        var first = Assert.Single(OomKills.Of(A.Pod().With(A.Killed("app", "", s_started, s_killed))));
        var second = Assert.Single(OomKills.Of(A.Pod().With(A.Killed("app", "", s_killed, s_killed.AddMinutes(1)))));
        Assert.NotEqual(first.Mark, second.Mark);
    }

    [Fact]
    public void A_capture_that_saw_the_death_belongs_to_it() =>
        Assert.Equal("died", Matched(Died("died", s_killed.AddSeconds(-4))));

    [Fact]
    public void What_the_death_set_off_belongs_to_it_though_it_began_after_it() =>
        Assert.Equal("after", Matched(A.Capture("after", "oom-kill", CapturePhase.Partial, CaptureOutcome.OOMKilled, s_killed.AddSeconds(3), s_killed.AddSeconds(4))));

    [Fact]
    public void What_fired_in_the_next_life_does_not() =>
        Assert.Null(Matched(Died("next", s_killed.AddSeconds(5))));

    [Fact]
    public void What_fired_in_the_life_before_does_not() =>
        Assert.Null(Matched(Died("before", s_started.AddSeconds(-10))));

    [Fact]
    public void One_whose_end_nobody_knows_belongs_to_the_kill_of_its_life() =>
        Assert.Equal("lost", Matched(A.Capture("lost", phase: CapturePhase.Capturing, outcome: null, started: s_killed.AddSeconds(-2))));

    [Fact]
    public void One_that_the_target_survived_tells_what_led_to_the_kill_for_a_while()
    {
        Assert.Equal("survived", Matched(A.Capture("survived", started: s_killed.AddMinutes(-5), completed: s_killed.AddMinutes(-4))));
        Assert.Null(Matched(A.Capture("survived", started: s_killed.AddMinutes(-25), completed: s_killed.AddMinutes(-24))));
    }

    [Fact]
    public void What_saw_the_death_comes_before_what_survived() =>
        Assert.Equal("died", Matched(
            A.Capture("survived", started: s_killed.AddSeconds(-60), completed: s_killed.AddSeconds(-50)),
            A.Capture("died", "oom-kill", CapturePhase.Failed, CaptureOutcome.OOMKilled, s_killed, s_killed, hasArtifact: false)));

    [Fact]
    public void Of_two_that_saw_it_the_one_with_something_in_it_counts() =>
        Assert.Equal("full", Matched(
            Died("full", s_killed.AddSeconds(-9)),
            A.Capture("empty", "oom-kill", CapturePhase.Failed, CaptureOutcome.OOMKilled, s_killed, s_killed, hasArtifact: false)));

    [Fact]
    public void Of_two_with_something_in_them_the_one_with_a_heap_counts()
    {
        var heap = Died("heap", s_killed.AddSeconds(-9));
        var (baseline, process) = (With("baseline", -6, "Baseline"), With("process", -3, "Process"));
        Assert.Equal("heap", Matched(process, baseline, heap));
        Assert.Equal("baseline", Matched(process, baseline));
        Assert.Equal("process", Matched(process));
        // The copy that the operator keeps of a record has room for one artifact.
        Assert.Equal("heap", Matched(process, CaptureIndex.Trim(heap with { Status = heap.Status! with { Artifacts = [.. process.Status!.Artifacts!, .. heap.Status.Artifacts!] } })));

        static ProfileCapture With(string name, int seconds, string type)
        {
            var capture = Died(name, s_killed.AddSeconds(seconds));
            return capture with { Status = capture.Status! with { Artifacts = [new CaptureArtifact(type, "x", 1, A.Sha, null, null)] } };
        }
    }

    [Fact]
    public void Every_capture_that_took_the_kill_for_an_exit_is_mistaken_and_no_other()
    {
        var exited = A.Capture("exited", outcome: CaptureOutcome.Exited, started: s_killed.AddSeconds(-8), completed: s_killed.AddSeconds(1));
        var mine = new Dictionary<string, string> { [RecordNames.OomKillAnnotation] = s_kill.ContainerId };
        var others = new Dictionary<string, string> { [RecordNames.OomKillAnnotation] = "containerd://other" };
        ProfileCapture[] mistaken = [exited, exited with { Metadata = exited.Metadata with { Name = "marked", Annotations = mine } }];
        ProfileCapture[] right =
        [
            Died("died", s_killed.AddSeconds(-4)),
            exited with { Status = exited.Status! with { Outcome = CaptureOutcome.Survived } },
            exited with { Status = exited.Status! with { Outcome = null } },
            exited with { Status = exited.Status! with { CompletedAt = s_killed.AddSeconds(-3) } },
            exited with { Status = exited.Status! with { StartedAt = s_started.AddSeconds(-10) } },
            exited with { Status = exited.Status! with { StartedAt = s_killed.AddSeconds(5) } },
            exited with { Status = exited.Status! with { PodUid = "another life of the name" } },
            exited with { Status = exited.Status! with { Container = "proxy" } },
            exited with { Metadata = exited.Metadata with { Annotations = others } },
        ];
        Assert.Equal(["exited", "marked"], OomKills.Mistaken(s_kill, [.. right, .. mistaken]).Select(record => record.Metadata.Name));
    }

    [Fact]
    public void One_that_saw_the_process_die_and_could_not_tell_of_what_belongs_to_the_kill()
    {
        var died = Died("died", s_killed.AddSeconds(-4));
        Assert.Equal("died", Matched(died with { Status = died.Status! with { Outcome = CaptureOutcome.Exited, CompletedAt = s_killed.AddSeconds(1) } }));
    }

    [Fact]
    public void Nobody_elses_capture_is_taken()
    {
        var died = Died("died", s_killed.AddSeconds(-4));
        Assert.Null(Matched(died with { Status = died.Status! with { PodUid = "another life of the name" } }));
        Assert.Null(Matched(died with { Status = died.Status! with { Container = "proxy" } }));
        Assert.Null(Matched(died with { Status = died.Status! with { Outcome = CaptureOutcome.Exited, CompletedAt = s_killed.AddSeconds(-3) } }));
        Assert.Null(Matched(died with { Metadata = died.Metadata with { Annotations = new Dictionary<string, string> { [RecordNames.OomKillAnnotation] = "containerd://other" } } }));
        Assert.Null(Matched(died with { Status = died.Status! with { CaptureId = null } }));
    }

    [Fact]
    public void What_stands_for_a_kill_tells_the_kill_again()
    {
        var pod = A.Pod().With(A.Killed("app", "containerd://1", s_started, s_killed));
        var record = OomKills.Placeholder(s_kill, pod, A.Deployment, A.Policy());
        record = record with { Status = OomKills.PlaceholderStatus(s_kill, pod, new Explanation("NoReport", "…"), A.Now) };
        Assert.True(OomKills.IsPlaceholder(record));
        Assert.False(CaptureRecords.IsRequest(record));
        Assert.Equal(s_kill, OomKills.Of(record));
        Assert.Equal($"checkout-7d9f-x2x-app-oom-{s_kill.Mark}", record.Metadata.Name);
    }

    [Fact]
    public void The_pod_remembers_its_recorded_kills_for_as_long_as_it_tells_them()
    {
        var pod = A.Pod().With(A.Killed("app", "containerd://1", s_started, s_killed));
        Assert.False(OomKills.IsRecorded(pod, s_kill));
        pod = pod.WithAnnotation(RecordNames.RecordedKillsAnnotation, OomKills.WithRecorded(pod, s_kill));
        Assert.True(OomKills.IsRecorded(pod, s_kill));

        var second = Kill(s_killed, s_killed.AddMinutes(5), "containerd://2");
        pod = pod.With(A.Killed("app", "containerd://2", s_killed, s_killed.AddMinutes(5)));
        Assert.False(OomKills.IsRecorded(pod, second));
        Assert.Equal(second.Mark, OomKills.WithRecorded(pod, second));
    }

    [Fact]
    public void A_kill_that_nobody_saw_for_an_hour_is_not_counted()
    {
        Assert.True(OomKills.IsCounted(s_kill, s_killed.AddMinutes(59)));
        Assert.False(OomKills.IsCounted(s_kill, s_killed.AddMinutes(61)));
    }

    [Fact]
    public void A_container_is_watched_by_the_policies_that_name_it_or_none_and_never_an_init_container_unless_named()
    {
        var pod = A.Pod() with { Spec = A.Pod().Spec with { InitContainers = [new PodContainer("setup")] } };
        var (all, named, invalid) = (A.Policy("all"), A.Policy("named", "app", "setup"), A.Policy("invalid", "proxy", "UPPER CASE"));
        Assert.False(invalid.IsValid);
        Assert.Equal(["all", "named"], PodContainers.Watching(pod, "app", [all, named, invalid]).Select(policy => policy.Name));
        Assert.Equal(["all", "invalid"], PodContainers.Watching(pod, "proxy", [all, named, invalid]).Select(policy => policy.Name));
        Assert.Equal(["named"], PodContainers.Watching(pod, "setup", [all, named, invalid]).Select(policy => policy.Name));
    }

    private static OomKill Kill(DateTimeOffset started, DateTimeOffset finished, string id = "containerd://1") => new("shop", "checkout-7d9f-x2x", A.PodUid, "app", id, started, finished);

    private static ProfileCapture Died(string name, DateTimeOffset started) =>
        A.Capture(name, outcome: CaptureOutcome.OOMKilled, started: started, completed: started.AddSeconds(5));

    private static string? Matched(params ProfileCapture[] records) => OomKills.Match(s_kill, records)?.Metadata.Name;
}
