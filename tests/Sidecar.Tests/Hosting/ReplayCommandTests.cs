using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Replays;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Hosting;

public sealed class ReplayCommandTests : IDisposable
{
    private const string Header = "time,elapsed_seconds,working_set_bytes,usage_bytes,unreclaimable_bytes,limit_bytes,ceiling_bytes,oom_kills,event\n";

    private static readonly DateTimeOffset s_start = new(2026, 3, 1, 2, 59, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();

    public ReplayCommandTests() => File.WriteAllText(Policy, """
        apiVersion: premortem.dev/v1alpha1
        kind: ProfilePolicy
        metadata: {name: checkout}
        spec:
          triggers:
            - {name: near-limit, memoryUsage: {threshold: 85%, for: 2s}}
            - {name: oom-ahead, timeToLimit: {within: 20s}}
            - {name: leak, risingFloor: {window: 1m, growth: 10%}}
            - {name: nightly, schedule: {cron: "0 3 * * *"}}
          storage:
            directory: {path: /var/lib/premortem}
        """);

    private string Policy => _folder.File("policy.yaml");

    private string Csv => _folder.File("memory.csv");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false, "replay.txt")]
    [InlineData(true, "replay.json")]
    public void A_leak_that_is_killed_and_starts_again_is_told_as_it_went(bool asJson, string golden)
    {
        File.WriteAllText(Csv, TwoLives());
        var (exitCode, output) = Run(asJson ? ReplayFormat.Json : ReplayFormat.Text);
        Assert.Equal(ExitCodes.Done, exitCode);
        Golden.Matches(output.Replace(Csv, "memory.csv", StringComparison.Ordinal), golden);
    }

    [Fact]
    public void Another_limit_has_another_story()
    {
        File.WriteAllText(Csv, TwoLives());
        var summary = Summary(limitBytes: 1L << 30);
        Assert.Equal(0, (int?)summary["fired"]!["near-limit"]);
        Assert.Equal(0, (int?)summary["fired"]!["oom-ahead"]);
    }

    [Fact]
    public void A_kill_that_nothing_foresaw_is_missed()
    {
        File.WriteAllText(Csv, Header + Rows(0, 30, _ => 100) + Row(30, 100, "OOMKilled"));
        var summary = Summary();
        Assert.Equal(1, (int?)summary["kills"]);
        Assert.Equal(1, (int?)summary["missed"]);
        Assert.Null(summary["leastWarningSeconds"]);
    }

    [Fact]
    public void Captures_that_overlap_are_played_once()
    {
        File.WriteAllText(Csv, Header + Rows(0, 100, _ => 100) + Header + Rows(50, 150, _ => 100));
        var summary = Summary();
        Assert.Equal(150, (int?)summary["samples"]);
        Assert.Equal(50, (int?)summary["skipped"]);
        Assert.Equal(1, (int?)summary["fired"]!["nightly"]);
        Assert.Equal(149, (double?)summary["seconds"]);
    }

    [Fact]
    public void Another_run_of_the_sidecar_keeps_its_cooldowns()
    {
        // The second run's clock begins at zero, five minutes later by the wall.
        File.WriteAllText(Csv, Header + Rows(0, 60, t => t < 10 ? 100 : 230) + Header + Rows(0, 60, t => t < 10 ? 100 : 230, shift: 300));
        var summary = Summary();
        Assert.Equal(1, (int?)summary["fired"]!["near-limit"]);
        Assert.Equal(1, (int?)summary["held"]!["near-limit Cooldown"]);
        Assert.Equal(118, (double?)summary["seconds"]);
    }

    [Fact]
    public void A_header_alone_is_no_samples_and_no_mistake()
    {
        File.WriteAllText(Csv, Header);
        Assert.Equal((ExitCodes.Done, "samples   none\nfired     near-limit 0, oom-ahead 0, leak 0, nightly 0\n"), Run(ReplayFormat.Text));
    }

    [Theory]
    [InlineData("no csv at all\n")]
    [InlineData(Header + "yesterday,1,2,3,4,5,6,7,\n")]
    public void What_is_no_memory_csv_is_refused(string content)
    {
        File.WriteAllText(Csv, content);
        Assert.Equal(ExitCodes.Usage, Run(ReplayFormat.Text).ExitCode);
    }

    [Fact]
    public void What_breaks_off_is_no_whole_document()
    {
        File.WriteAllText(Csv, Header + Rows(0, 100, _ => 100) + "2026");
        var (exitCode, output) = Run(ReplayFormat.Json);
        Assert.Equal(ExitCodes.Usage, exitCode);
        Assert.DoesNotContain("summary", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_and_a_wrong_policy_are_refused()
    {
        Assert.Equal(ExitCodes.Usage, Run(ReplayFormat.Text).ExitCode);
        File.WriteAllText(Csv, Header);
        File.WriteAllText(Policy, "kind: Pod");
        Assert.Equal(ExitCodes.Usage, Run(ReplayFormat.Text).ExitCode);
    }

    private static string TwoLives() => Header
        + Rows(0, 150, t => 60 + t)
        + Rows(150, 156, t => 210 + ((t - 150) * 7))
        + Row(156, 252, "OOMKilled")
        + Rows(160, 260, _ => 60)
        + Row(260, 60, "Exited");

    private static string Rows(int from, int to, Func<int, double> mib, int shift = 0) =>
        string.Concat(Enumerable.Range(from, to - from).Select(t => Row(t, mib(t), "", shift)));

    private static string Row(int t, double mib, string word, int shift = 0)
    {
        var bytes = (long)(mib * 1024 * 1024);
        return string.Create(CultureInfo.InvariantCulture, $"{s_start.AddSeconds(t + shift):yyyy-MM-dd'T'HH:mm:ss.fff'Z'},{t}.000,{bytes},{bytes},{bytes},268435456,268435456,0,{word}\n");
    }

    private (int ExitCode, string Output) Run(ReplayFormat format, long? limitBytes = null)
    {
        using var output = new MemoryStream();
        var exitCode = new ReplayCommand(Csv, Policy, limitBytes, format).Run(output);
        return (exitCode, Encoding.UTF8.GetString(output.ToArray()));
    }

    private JsonObject Summary(long? limitBytes = null) => JsonNode.Parse(Run(ReplayFormat.Json, limitBytes).Output)!["summary"]!.AsObject();
}
