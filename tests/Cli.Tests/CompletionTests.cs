using System.Diagnostics;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

public sealed class CompletionTests
{
    [Theory]
    [InlineData("bash")]
    [InlineData("kubectl")]
    public void A_script_is_one_that_its_shell_can_read(string shell)
    {
        using var folder = new TemporaryFolder();
        var (exitCode, output, _) = Premortem.Run("completion", shell);
        Assert.Equal(0, exitCode);
        File.WriteAllText(folder.File("script"), output);

        using var read = Process.Start(new ProcessStartInfo(shell == "bash" ? "bash" : "sh", ["-n", folder.File("script")]))!;
        read.WaitForExit();

        Assert.Equal(0, read.ExitCode);
    }

    [Theory]
    [InlineData("ex", "explain")]
    [InlineData("o", "open")]
    [InlineData("cap", "capture captures")]
    [InlineData("captures --all-n", "--all-namespaces")]
    [InlineData("captures -o ", "json name table wide yaml")]
    [InlineData("captures -A -o w", "wide")]
    [InlineData("completion ", "bash fish kubectl zsh")]
    [InlineData("top -sample_i", "-sample_index")]
    [InlineData("top heap.pb.g", "")]
    public void The_program_completes_its_verbs_flags_and_values(string line, string completions) => Assert.Equal(completions, Completed($"premortem {line}"));

    [Fact]
    public void Only_what_stands_before_the_cursor_counts()
    {
        Assert.Equal("explain", Completed("premortem ex --nonsense", "premortem ex".Length));
        Assert.Equal("explain", Completed("/usr/local/bin/kubectl-premortem ex"));
        Assert.Equal("explain", Completed(" premortem ex"));
        Assert.Equal("", Completed("prem"));
    }

    [Fact]
    public void Who_has_begun_nothing_sees_the_verbs_and_no_flags()
    {
        var all = Completed("premortem ").Split(' ');

        Assert.Contains("captures", all);
        Assert.DoesNotContain(all, word => word.StartsWith('-') || word.StartsWith('/'));
        Assert.Contains("--help", Completed("premortem --").Split(' '));
    }

    [Fact]
    public void Captures_pods_and_namespaces_are_completed_with_what_the_cluster_has()
    {
        using var cluster = new FakeCluster()
            .With("profilecaptures.premortem.dev.json", "profilecapture.premortem.dev/checkout-1\nprofilecapture.premortem.dev/cart-2\n")
            .With("pods.json", "pod/checkout-7d9f\n")
            .With("namespaces.json", "namespace/shop\nnamespace/default\n");
        var kubectl = cluster.Kubectl;

        Assert.Equal("cart-2 checkout-1", Completed($"premortem fetch --kubectl {kubectl} -n shop "));
        Assert.Contains("get profilecaptures.premortem.dev -n shop -o name ", cluster.Calls, StringComparison.Ordinal);
        Assert.Equal("checkout-1", Completed($"premortem open -n shop --kubectl {kubectl} ch"));
        Assert.Equal("checkout-7d9f", Completed($"premortem explain --context prod --kubectl {kubectl} c"));
        Assert.Matches("get pods -o name .*--context=prod", cluster.Calls);
        Assert.Equal("checkout-7d9f", Completed($"premortem capture --kubectl {kubectl} c"));
        Assert.Equal("shop", Completed($"premortem captures --kubectl {kubectl} -n s"));
    }

    [Theory]
    [InlineData()]
    [InlineData("fetch")]
    [InlineData("capture")]
    public void Help_asks_no_cluster(params string[] verb)
    {
        using var cluster = new FakeCluster().With("profilecaptures.premortem.dev.json", "profilecapture.premortem.dev/checkout-1\n").With("pods.json", "pod/checkout-7d9f\n");

        var (exitCode, _, _) = Premortem.RunWith(new Dictionary<string, string?> { ["KUBECTL"] = cluster.Kubectl }, [.. verb, "--help"]);

        Assert.Equal((0, ""), (exitCode, cluster.Calls));
    }

    [Theory]
    [InlineData("/bin/false")]
    [InlineData("/nowhere/kubectl")]
    public void Nothing_is_completed_where_the_cluster_does_not_answer(string kubectl) => Assert.Equal("", Completed($"premortem capture --kubectl {kubectl} c"));

    [Fact]
    public void Another_shell_is_not_understood() => Assert.Equal(2, Premortem.Run("completion", "tcsh").ExitCode);

    private static string Completed(string line, int? cursor = null)
    {
        var (exitCode, output, errors) = Premortem.Run(cursor is { } at ? $"[suggest:{at}]" : "[suggest]", line);
        Assert.Equal((0, ""), (exitCode, errors));
        return string.Join(' ', output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
    }
}
