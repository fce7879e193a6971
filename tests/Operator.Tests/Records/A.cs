using Premortem.Contracts;
using Premortem.Operator.Policies;
using Premortem.Operator.Records;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Tests.Records;

/// <summary>What the tests of records begin with.</summary>
internal static class A
{
    public const string PodUid = "11111111-2222-3333-4444-555555555555";
    public const string Sha = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    public static DateTimeOffset Now { get; } = new(2026, 5, 4, 10, 0, 0, TimeSpan.Zero);

    public static Workload Deployment { get; } = new("apps/v1", "Deployment", "checkout", "99999999-0000-0000-0000-000000000000");

    public static Pod Pod(string name = "checkout-7d9f-x2x", bool isInjected = true) => new()
    {
        Metadata = new ObjectMeta
        {
            Name = name,
            Namespace = "shop",
            Uid = PodUid,
            Labels = isInjected ? new Dictionary<string, string> { [Names.InjectedLabel] = "true", ["app"] = "checkout" } : new Dictionary<string, string> { ["app"] = "checkout" },
        },
        Spec = new PodSpec { NodeName = "node-1", Containers = [new PodContainer("app"), new PodContainer("proxy"), new PodContainer(Names.SidecarContainer)] },
        Status = new PodStatus
        {
            Phase = "Running",
            ContainerStatuses =
            [
                new ContainerStatus("app") { State = new ContainerState { Running = new ContainerRunning(Now) } },
                new ContainerStatus(Names.SidecarContainer) { State = new ContainerState { Running = new ContainerRunning(Now.AddMinutes(-30)) } },
            ],
        },
    };

    public static Pod With(this Pod pod, params ContainerStatus[] statuses) => pod with
    {
        Status = pod.Status with
        {
            ContainerStatuses =
            [
                .. pod.Status.ContainerStatuses!.Where(status => !statuses.Any(other => other.Name == status.Name)), .. statuses,
            ],
        },
    };

    public static Pod With(this Pod pod, SidecarStatus status) => pod.WithAnnotation(Names.StatusAnnotation, SidecarStatuses.Write(status));

    public static Pod WithAnnotation(this Pod pod, string name, string value) => pod with
    {
        Metadata = pod.Metadata with { Annotations = new Dictionary<string, string>(pod.Metadata.Annotations ?? new Dictionary<string, string>()) { [name] = value } },
    };

    public static ContainerStatus Killed(string container, string id, DateTimeOffset started, DateTimeOffset finished) => new(container)
    {
        State = new ContainerState { Running = new ContainerRunning(finished.AddSeconds(1)) },
        LastState = new ContainerState { Terminated = new ContainerTerminated(137, "OOMKilled", started, finished, id) },
    };

    public static SidecarStatus SidecarStatus() => new()
    {
        Revision = "r1",
        Version = "0.1.0",
        Storage = new StorageStatus(true, "s3://profiles/prod/", null, null),
        Targets = [new TargetStatus("app", Contracts.Policies.RuntimeKind.Go, "http://127.0.0.1:6060/debug/pprof", null, "cgroup v2", 256 << 20)],
    };

    public static PolicyView Policy(string name = "checkout", params string[] containers) => PolicyView.From(new PolicyResource
    {
        Metadata = new ObjectMeta { Name = name, Namespace = "shop", Uid = $"uid-{name}", Generation = 1, CreationTimestamp = Now.AddDays(-1) },
        Spec = System.Text.Json.Nodes.JsonNode.Parse($$"""
            {
              "selector": {"matchLabels": {"app": "checkout"} },
              "containers": [{{string.Join(',', containers.Select(container => $"\"{container}\""))}}],
              "triggers": [{"name": "near-limit", "memoryUsage": {"threshold": "85%"} }],
              "storage": {"directory": {"path": "/var/lib/premortem"} }
            }
            """)!.AsObject(),
    });

    public static CaptureReport Report(string id = "0196a1b2c3d4", int sequence = 2) => new(
        new CaptureRecord
        {
            Id = id,
            Folder = $"shop/checkout/checkout-7d9f-x2x/app/20260504T095950Z-near-limit-{id}/",
            Policy = new PolicyReference("checkout", "shop"),
            Trigger = new FiredTrigger("near-limit", "memoryUsage", "working set 241 MiB is at or above 85% of 256 MiB for 2s", Now.AddSeconds(-10)),
            Target = new TargetIdentity { Namespace = "elsewhere", Workload = "somebody", Pod = "else", Container = "app", Node = "its-own-words" },
            Phase = CapturePhase.Completed,
            Outcome = CaptureOutcome.Survived,
            OutcomeReason = "the target was alive when the capture was completed",
            StartedAt = Now.AddSeconds(-10).AddMilliseconds(123),
            CompletedAt = Now.AddSeconds(-1).AddMilliseconds(456),
            Memory = new MemoryAtTrigger(252_706_816, 260_046_848, 256 << 20, 256 << 20, "cgroup v2"),
            Artifacts =
            [
                new Artifact { Type = "Heap", Key = "heap.pb.gz", Bytes = 12_345, Sha256 = Sha },
                new Artifact { Type = "Goroutine", Key = "goroutine.pb.gz", Bytes = 2_345, Sha256 = Sha },
                new Artifact { Type = "Cpu", Key = "cpu.pb.gz", Bytes = 345, Sha256 = Sha },
                new Artifact { Type = "Baseline", Key = "baseline-heap.pb.gz", Bytes = 11_345, Sha256 = Sha, TakenAt = Now.AddMinutes(-1) },
                new Artifact { Type = "MemoryTimeline", Key = "memory.csv", Bytes = 999, Sha256 = Sha },
            ],
            Top = [new TopEntry("main.Leak", 230_000_000, 95.6123), new TopEntry("runtime.malg", 1_000_000, 0.4)],
            Producer = "premortem-sidecar 0.1.0",
        },
        Location: null,
        Request: null)
    {
        Sequence = sequence,
    };

    public static CaptureReport With(this CaptureReport report, Func<CaptureRecord, CaptureRecord> change) => report with { Record = change(report.Record) };

    /// <summary>A record as the cluster has it.</summary>
    public static ProfileCapture Capture(
        string name,
        string trigger = "near-limit",
        CapturePhase phase = CapturePhase.Completed,
        CaptureOutcome? outcome = CaptureOutcome.Survived,
        DateTimeOffset? started = null,
        DateTimeOffset? completed = null,
        bool hasArtifact = true,
        string container = "app",
        string policy = "checkout") => new()
        {
            Metadata = new ObjectMeta { Name = name, Namespace = "shop", Uid = $"uid-{name}", ResourceVersion = "1", CreationTimestamp = started ?? Now },
            Spec = new ProfileCaptureSpec { PodName = "checkout-7d9f-x2x", Container = container, Policy = policy, Trigger = trigger },
            Status = new ProfileCaptureStatus
            {
                Phase = phase,
                CaptureId = name,
                Sequence = 1,
                Container = container,
                PodUid = PodUid,
                StartedAt = started ?? Now,
                CompletedAt = completed,
                Outcome = outcome,
                Artifacts = hasArtifact ? [new CaptureArtifact("Heap", "heap.pb.gz", 1, Sha, null, null)] : [new CaptureArtifact("Heap", "heap.pb.gz", null, null, "the target exited", "TargetExited")],
            },
        };

    public static ProfileCapture Request(string name = "now", string? container = "app", IReadOnlyList<CaptureSpec>? captures = null) => new()
    {
        Metadata = new ObjectMeta { Name = name, Namespace = "shop", Uid = $"uid-{name}", ResourceVersion = "1", CreationTimestamp = Now },
        Spec = new ProfileCaptureSpec { PodName = "checkout-7d9f-x2x", Container = container, Captures = captures },
    };
}
