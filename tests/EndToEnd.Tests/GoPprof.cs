using Premortem.Testing;

namespace Premortem.EndToEnd.Tests;

/// <summary>Go's own reader of profiles.</summary>
internal static class GoPprof
{
    /// <summary>What <c>go tool pprof -top</c> prints of a file.</summary>
    public static async Task<string> TopAsync(string file)
    {
        var go = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Append("/usr/lib/go/bin")
            .Select(folder => Path.Combine(folder, "go"))
            .FirstOrDefault(File.Exists);
        Need.Part(go is not null, "go is not in PATH: run eng/deps test");
        var (code, output) = await ChildProcess.RunAsync(go!, ["tool", "pprof", "-top", file]);
        return code == 0 ? output : throw new InvalidDataException($"go tool pprof -top {file}: {output}");
    }
}
