using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Premortem.Contracts.Policies;
using Premortem.Testing;
using Xunit;

namespace Premortem.Contracts.Tests;

public sealed class CaptureRecordTests
{
    private static readonly DateTimeOffset s_at = new(2026, 3, 1, 12, 5, 9, 250, TimeSpan.Zero);

    /// <summary>Every property is set, so that none is left out of the file.</summary>
    private static readonly CaptureRecord s_record = new()
    {
        Id = "9d3f0a51c2e7",
        Folder = "shop/checkout/checkout-7d9f/app/20260301T120509Z-oom-ahead-9d3f0a51c2e7/",
        Policy = new PolicyReference("checkout", "shop"),
        Trigger = new FiredTrigger("oom-ahead", "timeToLimit", "memory grows by 20 MiB/s and would meet the ceiling of 256 MiB in 4.2 s", s_at),
        AlsoFired = [new FiredTrigger("near-limit", "memoryUsage", "working set 218 MiB is at or above 85% (217.6 MiB)", s_at.AddSeconds(2))],
        Target = new TargetIdentity
        {
            Namespace = "shop",
            Workload = "checkout",
            Pod = "checkout-7d9f",
            Container = "app",
            Node = "node-3",
            Incarnation = 2,
            Pid = 17,
            Executable = "/app/checkout",
            Runtime = new RuntimeIdentity(RuntimeKind.Go, "go1.26.0", "example.com/checkout", "v1.4.2"),
        },
        Phase = CapturePhase.Partial,
        Outcome = CaptureOutcome.OOMKilled,
        OutcomeReason = "the cgroup's oom_kill counter went from 0 to 1",
        DiedAt = s_at.AddSeconds(4),
        StartedAt = s_at,
        CompletedAt = s_at.AddSeconds(4.5),
        Memory = new MemoryAtTrigger(179306496, 180355072, 268435456, 268435456, "cgroup v2"),
        Artifacts =
        [
            new Artifact
            {
                Type = "Heap",
                Key = "heap.pb.gz",
                Bytes = 18_432,
                Sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                StartedAt = s_at.AddMilliseconds(1),
                CompletedAt = s_at.AddMilliseconds(31),
                RiseBytes = 655_360,
            },
            new Artifact
            {
                Type = "Cpu",
                Key = "cpu.pb.gz",
                StartedAt = s_at.AddMilliseconds(31),
                CompletedAt = s_at.AddSeconds(4),
                Error = "the target had died before this could be captured",
                Reason = Reasons.TargetExited,
            },
        ],
        Plan =
        [
            new PlannedCapture(CaptureType.Heap, PlanDecisions.Chosen, null) { CostBytes = 2_097_152, CostTime = TimeSpan.FromMilliseconds(50) },
            new PlannedCapture(CaptureType.Cpu, PlanDecisions.Cut, "cut from 10s to fit the time left", TimeSpan.FromSeconds(2)) { CostBytes = 4_194_304, CostTime = TimeSpan.FromSeconds(2) },
            new PlannedCapture(CaptureType.Dump, PlanDecisions.Skipped, "Dump is for .NET targets") { Reason = Reasons.NotSupportedByRuntime },
        ],
        Top = [new TopEntry("main.MemoryIntensiveFunc", 150994944, 97.5)],
        Producer = "premortem-sidecar 0.1.0",
    };

    [Fact]
    public void The_manifest_stays_as_it_is() => Golden.Matches(JsonSerializer.Serialize(s_record, ContractsJson.Default.CaptureRecord) + "\n", "manifest.json");

    [Fact]
    public void A_manifest_is_read_back_as_it_was_written()
    {
        var json = JsonSerializer.Serialize(s_record, ContractsJson.Default.CaptureRecord);
        var read = JsonSerializer.Deserialize(json, ContractsJson.Default.CaptureRecord)!;
        Assert.Equivalent(s_record, read, strict: true);
        Assert.Equal(json, JsonSerializer.Serialize(read, ContractsJson.Default.CaptureRecord));
    }

    [Fact]
    public void What_is_not_known_is_left_out()
    {
        var least = s_record with { Outcome = null, OutcomeReason = null, DiedAt = null, CompletedAt = null, Memory = new MemoryAtTrigger(1, 2, null, null, "proc") };
        var json = JsonSerializer.Serialize(least, ContractsJson.Default.CaptureRecord);
        Assert.DoesNotContain("null", json, StringComparison.Ordinal);
        Assert.DoesNotContain("limitBytes", json, StringComparison.Ordinal);
        Assert.Null(JsonSerializer.Deserialize(json, ContractsJson.Default.CaptureRecord)!.Memory.LimitBytes);
    }

    [Fact]
    public void A_field_of_a_later_version_is_passed_over()
    {
        var json = JsonSerializer.Serialize(s_record, ContractsJson.Default.CaptureRecord).Insert(1, "\"later\":{\"a\":[1]},");
        Assert.Equal(s_record.Id, JsonSerializer.Deserialize(json, ContractsJson.Default.CaptureRecord)!.Id);
    }

    [Theory]
    [InlineData("\"duration\": \"2s\"", "\"duration\": \"two\"")]
    [InlineData("\"duration\": \"2s\"", "\"duration\": 2")]
    [InlineData("\"phase\": \"Partial\"", "\"phase\": \"Half\"")]
    [InlineData("\"id\": \"9d3f0a51c2e7\",", "")]
    [InlineData("\"id\": \"9d3f0a51c2e7\",", "\"id\": null,")]
    [InlineData("\"policy\": {", "\"policy\": null, \"x\": {")]
    public void A_damaged_manifest_is_refused(string was, string damaged)
    {
        var json = JsonSerializer.Serialize(s_record, ContractsJson.Default.CaptureRecord);
        Assert.Contains(was, json, StringComparison.Ordinal);
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(json.Replace(was, damaged, StringComparison.Ordinal), ContractsJson.Default.CaptureRecord));
    }

    [Theory]
    [InlineData("heap.pb.gz", "Heap")]
    [InlineData("process.json", "Process")]
    [InlineData("memory.csv", "MemoryTimeline")]
    [InlineData("report.html", "Report")]
    [InlineData("baseline-heap.pb.gz", "Baseline")]
    [InlineData("baseline-2-allocations.nettrace", "Baseline")]
    [InlineData("whatever", "Other")]
    public void A_files_name_tells_its_type(string key, string type) => Assert.Equal(type, ArtifactKeys.TypeOf(key));

    [Fact]
    public void Every_capture_type_has_a_file_of_its_own()
    {
        var steps = Enum.GetValues<CaptureType>().Select(type => new PlannedCapture(type, PlanDecisions.Chosen, null)).ToList();
        foreach (var runtime in Enum.GetValues<RuntimeKind>())
        {
            Assert.Equal(steps.Count, steps.Select(step => ArtifactKeys.Of(step, runtime)).Distinct().Count());
            Assert.All(steps, step => Assert.Equal(step.Type.ToString(), ArtifactKeys.TypeOf(ArtifactKeys.Of(step, runtime))));
        }
    }

    [Fact]
    public void Every_field_of_the_manifest_is_documented()
    {
        var page = File.ReadAllText(Repository.Path("docs", "reference", "manifest.md"));
        var seen = new HashSet<Type>();
        var missing = Names(ContractsJson.Default.CaptureRecord, "").Where(name => !page.Contains($"| `{name}` |", StringComparison.Ordinal)).ToList();
        Assert.True(missing.Count == 0, $"docs/reference/manifest.md has no row for {string.Join(", ", missing)}");
        Assert.Contains(File.ReadAllText(Repository.TestData("manifest.json")), page, StringComparison.Ordinal);

        IEnumerable<string> Names(JsonTypeInfo type, string path)
        {
            foreach (var property in type.Properties.Where(property => property.Get is not null))
            {
                yield return path + property.Name;
                var inner = ContractsJson.Default.GetTypeInfo(property.PropertyType)!;
                var isList = inner.Kind == JsonTypeInfoKind.Enumerable;
                if (isList)
                    inner = ContractsJson.Default.GetTypeInfo(inner.ElementType!)!;
                if (inner.Kind != JsonTypeInfoKind.Object || !seen.Add(inner.Type))
                    continue;
                foreach (var name in Names(inner, path + property.Name + (isList ? "[]." : ".")))
                    yield return name;
            }
        }
    }

    [Fact]
    public void Every_word_of_the_manifest_is_documented()
    {
        var page = File.ReadAllText(Repository.Path("docs", "reference", "manifest.md"));
        string[] words =
        [
            .. Enum.GetNames<CapturePhase>(), .. Enum.GetNames<CaptureOutcome>(), .. Enum.GetNames<CaptureType>(), .. Enum.GetNames<RuntimeKind>(),
            PlanDecisions.Chosen, PlanDecisions.Cut, PlanDecisions.Skipped,
            .. typeof(Reasons).GetFields().Select(field => (string)field.GetValue(null)!),
        ];
        Assert.Equal("", string.Join(", ", words.Where(word => !page.Contains($"`{word}`", StringComparison.Ordinal))));
    }
}
