using System.Text.Json;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Graphs;
using Premortem.Profiles.Pprof;
using Premortem.Profiles.Report;
using Premortem.Testing;

namespace Premortem.Profiles.Tests.Report;

/// <summary>A capture as it comes out of the sample Go service, told in full.</summary>
internal static class Sample
{
    internal static readonly DateTimeOffset Start = new(2026, 3, 4, 11, 59, 30, TimeSpan.Zero);

    private const long Mib = 1 << 20;

    internal static ReportData Leak() => new()
    {
        Record = Record(),
        Memory = [.. Memory()],
        Thresholds = [new ThresholdLine("near-limit: 85%", 217 * Mib)],
        Tables = [new ReportTable("Heap", Table("heap.pb.gz")) { File = "heap.pb.gz" }, new ReportTable("Cpu", Table("cpu.pb.gz"))],
        Flames =
        [
            ReportFlame.Of("heap.pb.gz: inuse_space", Profile("heap.pb.gz"))!,
            ReportFlame.Of("heap.pb.gz: alloc_space", Profile("heap.pb.gz"), new TopOptions { SampleIndex = "alloc_space" })!,
            ReportFlame.Of("cpu.pb.gz: cpu", Profile("cpu.pb.gz"))!,
        ],
        Process = Process(),
        Graphs =
        [
            ("heap.pb.gz: inuse_space", CallGraph.Of(Profile("heap.pb.gz"), new TopOptions { NodeCount = 40 })),
            ("cpu.pb.gz: cpu", CallGraph.Of(Profile("cpu.pb.gz"), new TopOptions { NodeCount = 40 })),
        ],
    };

    internal static CaptureRecord Record() => new()
    {
        Id = "7f3a91",
        Folder = "shop/checkout/checkout-6d5f/app/20260304T120004Z-near-limit-7f3a91/",
        Policy = new PolicyReference("checkout", "shop"),
        Trigger = new FiredTrigger("near-limit", "memoryUsage", "the working set has been above 85% of 256Mi for 2s: 221.4 MiB", Start.AddSeconds(34.2)),
        AlsoFired = [new FiredTrigger("oom-ahead", "timeToLimit", "at 20.1 MB/s the ceiling is 1.8 s away", Start.AddSeconds(34.6))],
        Target = new TargetIdentity
        {
            Namespace = "shop",
            Workload = "checkout",
            Pod = "checkout-6d5f",
            Container = "app",
            Node = "node-3",
            Pid = 4711,
            Executable = "/app/checkout",
            Runtime = new RuntimeIdentity(RuntimeKind.Go, "go1.26.0", "example.org/checkout", "v1.4.2"),
        },
        Phase = CapturePhase.Partial,
        Outcome = CaptureOutcome.OOMKilled,
        OutcomeReason = "the cgroup's oom_kill counter rose from 0 to 1",
        DiedAt = Start.AddSeconds(37.9),
        StartedAt = Start.AddSeconds(34.2),
        CompletedAt = Start.AddSeconds(38.4),
        Memory = new MemoryAtTrigger(221 * Mib, 224 * Mib, 256 * Mib, 256 * Mib, "cgroup v2"),
        Artifacts =
        [
            File("Heap", "heap.pb.gz", 21_934, 34.21, 34.25) with { RiseBytes = 900 << 10 },
            File("Goroutine", "goroutine.pb.gz", 3_210, 34.25, 34.26),
            File("Cpu", "cpu.pb.gz", 48_113, 34.27, 36.3),
            File("Process", "process.json", 9_001, 36.3, 36.31),
            new Artifact
            {
                Type = "Trace", Key = "trace.out", Bytes = 70_000, StartedAt = Start.AddSeconds(36.4), CompletedAt = Start.AddSeconds(37.9),
                Error = "the target died in the middle of it", Reason = Reasons.TargetExited,
            },
            File("MemoryTimeline", "memory.csv", 88_000, 38.0, 38.1),
        ],
        Plan =
        [
            new PlannedCapture(CaptureType.Heap, "chosen", null) { CostBytes = 2 * Mib, CostTime = TimeSpan.FromMilliseconds(50) },
            new PlannedCapture(CaptureType.Goroutine, "chosen", null),
            new PlannedCapture(CaptureType.Cpu, "cut", "cut from 10s to fit the time left", TimeSpan.FromSeconds(2)) { CostBytes = 4 * Mib, CostTime = TimeSpan.FromSeconds(2) },
            new PlannedCapture(CaptureType.Dump, "skipped", "Dump is for .NET targets") { Reason = Reasons.NotSupportedByRuntime },
        ],
        Producer = "premortem-sidecar 0.1.0",
    };

    internal static TopTable Table(string name) =>
        TopTable.Of(Profile(name));

    internal static PprofProfile Profile(string name) =>
        PprofProfile.ReadFile(Repository.Path("tests", "Profiles.Tests", "testdata", name));

    private static JsonElement Process()
    {
        using var document = JsonDocument.Parse("""
            {
              "schema": "premortem.dev/process/v1", "pid": 4711, "startedAt": "2026-03-04T11:58:02Z", "executable": "/app/checkout", "workingDirectory": "/app",
              "commandLine": ["/app/checkout", "--token", "***", "--listen", ":8080"], "environment": {"GOMEMLIMIT": "200MiB", "DB_PASSWORD": "***"},
              "status": {"vmRSSBytes": 231735296, "vmHWMBytes": 241172480, "rssAnonBytes": 225443840, "vmSwapBytes": 0, "threads": 9},
              "limits": {"maxOpenFiles": {"soft": "1024", "hard": "524288", "unit": "files"}, "maxStackSize": {"soft": "8388608", "hard": "unlimited", "unit": "bytes"}},
              "oomScore": 1291, "oomScoreAdj": 968, "fileDescriptors": {"total": 14, "socket": 9, "pipe": 0, "file": 5}, "denied": ["smaps_rollup"]
            }
            """);
        return document.RootElement.Clone();
    }

    private static Artifact File(string type, string key, long bytes, double from, double to) => new()
    {
        Type = type,
        Key = key,
        Bytes = bytes,
        Sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        StartedAt = Start.AddSeconds(from),
        CompletedAt = Start.AddSeconds(to),
    };

    private static IEnumerable<MemoryPoint> Memory()
    {
        for (var i = 0; i < 380; i++)
        {
            var grown = (long)((30 + (i * 0.586) + (3 * Math.Sin(i / 4.0))) * Mib);
            yield return new MemoryPoint(Start.AddSeconds(i / 10.0), grown, grown + (3 * Mib), 256 * Mib, 256 * Mib);
        }
    }
}
