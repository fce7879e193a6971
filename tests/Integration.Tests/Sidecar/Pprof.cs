using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Sidecar;

/// <summary>Go's own tool, which has the last word on what a profile says.</summary>
internal static class Pprof
{
    public static async Task<string> TopAsync(string profile)
    {
        var (exitCode, output) = await ChildProcess.RunAsync("go", ["tool", "pprof", "-top", profile]);
        Assert.True(exitCode == 0, output);
        return output;
    }
}
