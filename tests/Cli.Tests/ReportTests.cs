using System.Text.Json;
using Premortem.Contracts;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

/// <summary><c>premortem report</c> on the folders of captures.</summary>
public sealed class ReportTests
{
    private static readonly DateTimeOffset At = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_captures_folder_becomes_a_page_with_its_findings_memory_and_stacks()
    {
        using var folder = Capture(Heap("heap.pb.gz"));
        File.WriteAllText(folder.File("memory.csv"), "time,working_set_bytes,usage_bytes,limit_bytes\n2026-03-04T11:59:59.000Z,1000,1200,2000\n2026-03-04T12:00:00.000Z,1500,1700,\n");

        var (exitCode, _, errors) = Premortem.Run("report", folder.Path);

        Assert.Equal((0, true), (exitCode, errors.Contains("98.6 % of live heap is held by main.MemoryIntensiveFunc", StringComparison.Ordinal)));
        var page = File.ReadAllText(folder.File("report.html"));
        Assert.Contains("<h1>98.6 % of live heap is held by main.MemoryIntensiveFunc</h1>", page, StringComparison.Ordinal);
        Assert.Contains("heap.pb.gz: alloc_space", page, StringComparison.Ordinal);
        Assert.Contains("\"used\":[1000,1500]", page, StringComparison.Ordinal);
        Assert.InRange(page.Length, 10_000, 400_000);
    }

    [Fact]
    public void A_baseline_gives_the_difference_its_colours()
    {
        using var folder = Capture(Heap("heap.pb.gz"), Heap("baseline-heap.pb.gz") with { Type = ArtifactKeys.Baseline, TakenAt = At.AddMinutes(-1) });

        var (exitCode, page, _) = Premortem.Run("report", folder.Path, "-o", "-");

        Assert.Equal(0, exitCode);
        Assert.Contains("heap.pb.gz and baseline-heap.pb.gz: inuse_space", page, StringComparison.Ordinal);
        Assert.Contains("\"b\":[", page, StringComparison.Ordinal);
        Assert.Contains("Growth since the baseline, in 1 m 0 s", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_a_NET_heap_the_page_says_what_holds_it()
    {
        using var folder = Capture(Heap("heap.nettrace.gz"));
        File.Copy(Repository.Path("tests", "Profiles.Tests", "Heaps", "testdata", "orders.nettrace.gz"), folder.File("heap.nettrace.gz"), overwrite: true);

        var (exitCode, page, errors) = Premortem.Run("report", folder.Path, "-o", "-");

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Contains("<h2>What holds the managed heap</h2>", page, StringComparison.Ordinal);
        Assert.Matches("""<li value="1">static s_orders</li><li value="2">System.Collections.Generic.List`1\[.*Order\]</li>""", page);
        Assert.Contains("heap.nettrace.gz: who holds it", page, StringComparison.Ordinal);
        Assert.InRange(page.Length, 10_000, 400_000);
    }

    [Theory]
    [InlineData("heap.dmp.gz", false)]
    [InlineData(null, true)]
    public void A_baseline_stands_in_where_no_heap_was_captured_and_not_beside_a_dump(string? heap, bool stands)
    {
        var baseline = Heap("baseline-heap.nettrace.gz") with { Type = ArtifactKeys.Baseline, TakenAt = At.AddMinutes(-1) };
        using var folder = Capture(heap is null ? [baseline] : [Heap(heap), baseline]);
        File.Copy(Repository.Path("tests", "Profiles.Tests", "Heaps", "testdata", "orders.nettrace.gz"), folder.File("baseline-heap.nettrace.gz"), overwrite: true);

        var (exitCode, page, _) = Premortem.Run("report", folder.Path, "-o", "-");

        Assert.Equal((0, stands), (exitCode, page.Contains("No heap could be captured. This is a baseline", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_cannot_be_read_is_named_and_left_out()
    {
        using var folder = Capture(Heap("heap.pb.gz"));
        File.WriteAllText(folder.File("heap.pb.gz"), "no profile");
        File.WriteAllText(folder.File("memory.csv"), "time,working_set_bytes,usage_bytes\n2026-03-04T11:59:59.000Z,many,1200\n");

        var (exitCode, page, errors) = Premortem.Run("report", folder.Path, "-o", "-");

        Assert.Equal(0, exitCode);
        Assert.Contains("left out of the report: heap.pb.gz: ", errors, StringComparison.Ordinal);
        Assert.Contains("left out of the report: memory.csv: line 2: working_set_bytes is no number of bytes", errors, StringComparison.Ordinal);
        Assert.Contains("No memory samples were kept", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../heap.pb.gz")]
    [InlineData("/etc/heap.pb.gz")]
    [InlineData(".heap.pb.gz")]
    public void A_manifest_leads_to_no_file_beside_its_folder(string key)
    {
        using var folder = Capture(Heap("heap.pb.gz") with { Key = key });

        var (exitCode, _, errors) = Premortem.Run("report", folder.Path, "-o", "-");

        Assert.Equal(0, exitCode);
        Assert.Contains("the manifest names a file that is none of a capture's folder", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_manifest_that_leaves_its_lists_away_is_one_with_empty_lists()
    {
        using var folder = Capture();
        var manifest = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(folder.File("manifest.json")))!.AsObject();
        foreach (var list in new[] { "artifacts", "top", "alsoFired", "plan" })
            manifest.Remove(list);
        File.WriteAllText(folder.File("manifest.json"), manifest.ToJsonString());

        var (exitCode, page, errors) = Premortem.Run("report", folder.Path, "-o", "-");

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Contains("Nothing was captured.", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_page_that_is_there_is_replaced_only_where_one_says_so()
    {
        using var folder = Capture(Heap("heap.pb.gz"));
        File.WriteAllText(folder.File("report.html"), "mine");

        Assert.Equal(1, Premortem.Run("report", folder.Path).ExitCode);
        Assert.Equal("mine", File.ReadAllText(folder.File("report.html")));
        Assert.Equal(0, Premortem.Run("report", folder.Path, "--force").ExitCode);
    }

    [Fact]
    public void What_is_no_captures_folder_is_refused_with_what_to_do()
    {
        using var folder = new TemporaryFolder();

        var (exitCode, _, errors) = Premortem.Run("report", folder.Path);
        Assert.Equal(1, exitCode);
        Assert.Contains("there is no manifest.json in it", errors, StringComparison.Ordinal);
        Assert.Contains("'premortem fetch' brings one", Premortem.Run("report", folder.File("nothing")).Errors, StringComparison.Ordinal);
    }

    private static Artifact Heap(string key) => new() { Type = "Heap", Key = key, Sha256 = new string('0', 64), Bytes = 1, StartedAt = At, CompletedAt = At };

    private static TemporaryFolder Capture(params Artifact[] artifacts)
    {
        var folder = new TemporaryFolder();
        foreach (var artifact in artifacts)
            if (Path.GetFileName(artifact.Key) == artifact.Key)
                File.Copy(Repository.Path("tests", "Profiles.Tests", "testdata", "heap.pb.gz"), folder.File(artifact.Key));
        var record = new CaptureRecord
        {
            Id = "1",
            Folder = "shop/checkout/pod/app/1/",
            Policy = new PolicyReference("checkout", "shop"),
            Trigger = new FiredTrigger("near-limit", "memoryUsage", "above 85%", At),
            Target = new TargetIdentity { Namespace = "shop", Workload = "checkout", Pod = "pod", Container = "app" },
            StartedAt = At,
            Memory = new MemoryAtTrigger(1500, 1700, 2000, 2000, "cgroup v2"),
            Artifacts = artifacts,
            Producer = "test",
        };
        File.WriteAllBytes(folder.File("manifest.json"), JsonSerializer.SerializeToUtf8Bytes(record, ContractsJson.Default.CaptureRecord));
        return folder;
    }
}
