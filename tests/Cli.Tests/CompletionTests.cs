using System.CommandLine;
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
    [InlineData("captures --all-n", "--all-namespaces")]
    [InlineData("completion ", "zsh")]
    public void The_program_completes_its_verbs_and_flags(string line, string completion)
    {
        var before = Console.Out;
        using var output = new StringWriter();
        Console.SetOut(output);
        try
        {
            var text = $"{RootCommand.ExecutableName} {line}";
            Assert.Equal(0, Premortem.Run($"[suggest:{text.Length}]", text).ExitCode);
        }
        finally
        {
            Console.SetOut(before);
        }
        Assert.Contains(completion, output.ToString().Split('\n').Select(found => found.TrimEnd('\r')));
    }

    [Fact]
    public void Another_shell_is_not_understood() => Assert.Equal(2, Premortem.Run("completion", "tcsh").ExitCode);
}
