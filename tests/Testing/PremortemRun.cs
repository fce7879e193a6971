using Xunit;

namespace Premortem.Testing;

/// <summary>What a run of <c>premortem</c> gave.</summary>
public sealed record PremortemRun(string Arguments, int ExitCode, string Output, string Errors)
{
    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public PremortemRun AssertOk()
    {
        if (ExitCode != 0)
            Assert.Fail($"premortem {Arguments} ended with {ExitCode}:\n{Output}\n{Errors}");
        return this;
    }
}
