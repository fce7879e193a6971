using System.Text.Json.Nodes;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

public sealed class GcTraceTests : IDisposable
{
    private readonly FakeCluster _cluster = new();
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _cluster.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_collections_of_a_real_program_are_read()
    {
        await using var target = await GoLeak.StartAsync(environment: new Dictionary<string, string?> { ["GODEBUG"] = "gctrace=1" }, flags: ["-rate", "400", "-size", "100"]);
        await target.Process.WaitForLineAsync("done growing");
        var file = _folder.File("log");
        File.WriteAllText(file, target.Process.Output);

        var (exitCode, output, errors) = Premortem.Run("gctrace", file, "-o", "json");

        Assert.Equal((0, ""), (exitCode, errors));
        var said = JsonNode.Parse(output)!;
        Assert.True((int)said["summary"]!["collections"]! >= 3, output);
        Assert.Equal(0, (int)said["damagedLines"]!);
        Assert.True((long)said["collections"]!.AsArray()[^1]!["liveHeap"]! > 20 << 20, output);
    }

    [Fact]
    public void A_table_a_summary_and_a_picture()
    {
        var (exitCode, output, errors) = Premortem.Run("gctrace", Leak(), "--rows=2");

        Assert.Equal((0, ""), (exitCode, errors));
        var lines = output.Split('\n');
        Assert.Matches("^GC +AT +PAUSE +SWEEP +MARK +TERM +CPU +ASSIST +BACKGR +IDLE +BEFORE +AFTER +LIVE +GOAL +STACKS +P$", lines[0]);
        Assert.Matches(@"^30 +30\.000s +300µs +200µs +1\.0ms +100µs +10\.0ms +2\.0ms +3\.0ms +3\.0ms +300 MiB +300 MiB +300 MiB +9 MiB +1 MiB +2  forced$", lines[2]);
        Assert.Contains("(28 before these; --rows=0 shows all)", output, StringComparison.Ordinal);
        Assert.Contains("floor: 10 MiB → 110 MiB → 210 MiB: it rises", output, StringComparison.Ordinal);
        Assert.Contains("300 MiB |", output, StringComparison.Ordinal);
        Assert.DoesNotContain("█", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Csv_has_a_line_a_collection()
    {
        var lines = Premortem.Run("gctrace", Leak(), "-o", "csv").Output.TrimEnd().Split('\n');

        Assert.Equal(31, lines.Length);
        Assert.StartsWith("number,at,gcPercent,pause,", lines[0], StringComparison.Ordinal);
        Assert.EndsWith(",1048576,2097152,2,true", lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_pods_log_is_read_through_kubectl()
    {
        _cluster.With("pods.a.json", """{"metadata":{"name":"a","namespace":"shop"}}""").With("logs.a", File.ReadAllText(Leak()));

        var (exitCode, output, _) = _cluster.Run("gctrace", "pod/a", "-c", "app", "-n", "shop", "--previous");

        Assert.Equal(0, exitCode);
        Assert.Contains("30 collections in 29 s", output, StringComparison.Ordinal);
        Assert.Contains("logs a --limit-bytes=268435456 --container=app --previous -n shop", _cluster.Calls, StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_without_collections_says_what_is_missing()
    {
        File.WriteAllText(_folder.File("log"), "hello\n");

        var (exitCode, output, errors) = Premortem.Run("gctrace", _folder.File("log"));

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains("GODEBUG=gctrace=1", errors, StringComparison.Ordinal);
        Assert.Equal(1, Premortem.Run("gctrace", _folder.File("none")).ExitCode);
        Assert.Equal(2, Premortem.Run("gctrace", _folder.File("log"), "-o", "xml").ExitCode);
    }

    private string Leak()
    {
        var file = _folder.File("gc.log");
        File.WriteAllLines(file, Enumerable.Range(1, 30).Select(i =>
            $"gc {i} @{i}.000s 1%: 0.2+1+0.1 ms clock, 1+2/3/3+1 ms cpu, {10 * i}->{10 * i}->{10 * i} MB, 9 MB goal, 1 MB stacks, 2 MB globals, 2 P{(i == 30 ? " (forced)" : "")}"));
        return file;
    }
}
