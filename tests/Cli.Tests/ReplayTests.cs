using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

public sealed class ReplayTests : IDisposable
{
    private const string Header = "time,elapsed_seconds,working_set_bytes,usage_bytes,unreclaimable_bytes,limit_bytes,ceiling_bytes,oom_kills,event\n";

    private readonly TemporaryFolder _folder = new();

    public ReplayTests()
    {
        File.WriteAllText(Policy, """
            apiVersion: premortem.dev/v1alpha1
            kind: ProfilePolicy
            metadata: {name: checkout}
            spec:
              triggers:
                - {name: near-limit, memoryUsage: {threshold: 85%, for: 2s}}
                - {name: leak, risingFloor: {window: 1m, growth: 10%}}
              storage:
                directory: {path: /var/lib/premortem}
            """);
        // 100 seconds at 2 MiB a second, in a limit of 256 MiB.
        var csv = new StringBuilder(Header);
        var start = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        for (var i = 0; i < 100; i++)
        {
            var bytes = (50L + (2 * i)) << 20;
            csv.Append(CultureInfo.InvariantCulture, $"{start.AddSeconds(i):yyyy-MM-dd'T'HH:mm:ss.fff'Z'},{i}.000,{bytes},{bytes},{bytes},{256L << 20},{256L << 20},0,\n");
        }
        File.WriteAllText(Csv, csv.ToString());
    }

    private string Policy => _folder.File("policy.yaml");

    private string Csv => _folder.File("memory.csv");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("memory.csv")]
    [InlineData("")]
    public void What_a_policy_would_have_done_is_told_of_a_file_and_of_a_captures_folder(string name)
    {
        var (code, output, errors) = Premortem.Run("replay", _folder.File(name), "--policy", Policy);

        Assert.Equal((0, ""), (code, errors));
        Assert.Contains("2026-03-01T12:01:15.000Z  fired    leak: the floor of memory has climbed from", output, StringComparison.Ordinal);
        Assert.Contains("  fired    near-limit: ", output, StringComparison.Ordinal);
        Assert.Contains("\nfired     near-limit 1, leak 1\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void With_another_limit_and_for_programs()
    {
        var (code, output, _) = Premortem.Run("replay", Csv, "--policy", Policy, "--limit", "1Gi", "-o", "json");

        Assert.Equal(0, code);
        var fired = JsonNode.Parse(output)!["summary"]!["fired"]!;
        Assert.Equal((0, 1), ((int)fired["near-limit"]!, (int)fired["leak"]!));
    }

    [Fact]
    public void What_is_wrong_is_named()
    {
        File.AppendAllText(Csv, "2026,1,1,1,1,1,1,0,\n");
        Assert.Equal((1, $"premortem: {Csv}: line 102: time is '2026', but has to be a time like 2026-03-01T12:05:09.250Z\n"), Failed("replay", Csv, "--policy", Policy));
        Assert.Equal((1, $"premortem: {_folder.File("none.csv")}: there is no such file\n"), Failed("replay", _folder.File("none.csv"), "--policy", Policy));
        Assert.Equal((2, "premortem: --limit has to be a quantity like 512Mi, and is 'much'\npremortem: 'premortem --help' says what there is\n"), Failed("replay", Csv, "--policy", Policy, "--limit", "much"));

        File.WriteAllText(Policy, "kind: Pod");
        var (code, errors) = Failed("replay", Csv, "--policy", Policy);
        Assert.Equal(2, code);
        Assert.Contains($"premortem: {Policy}: kind: is 'Pod', but has to be 'ProfilePolicy' or 'ClusterProfilePolicy'\n", errors, StringComparison.Ordinal);
        Assert.Contains($"premortem: {Policy}: spec: is required\n", errors, StringComparison.Ordinal);

        static (int, string) Failed(params string[] args)
        {
            var (exitCode, _, errors) = Premortem.Run(args);
            return (exitCode, errors);
        }
    }
}
