using System.Diagnostics;
using Xunit;

namespace Premortem.Testing;

/// <summary>The native <c>premortem</c>, run as users run it.</summary>
public static class PremortemProgram
{
    public static string Path => Repository.Built("artifacts/publish/premortem", "build");

    /// <summary>Runs it to its end, with no settings of the user's but those given.</summary>
    public static async Task<PremortemRun> RunAsync(IReadOnlyDictionary<string, string?> environment, params string[] arguments)
    {
        using var home = new TemporaryFolder();
        var start = new ProcessStartInfo(Path, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = home.Path,
        };
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("AWS_", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        start.Environment["HOME"] = home.Path;
        // Without it the SDK asks the machine's metadata service, which is none of a test's.
        start.Environment["AWS_EC2_METADATA_DISABLED"] = "true";
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"premortem {string.Join(' ', arguments)} did not end in time:\n{await output}\n{await errors}");
        }
        return new PremortemRun(string.Join(' ', arguments), process.ExitCode, await output, await errors);
    }
}
