using System.Diagnostics;
using Premortem.Testing;

namespace Premortem.Cli.Tests;

/// <summary>The pprof that Go ships: what ours is measured against.</summary>
internal static class GoPprof
{
    private static readonly Lazy<string?> Program = new(Find);

    /// <summary>What it prints on standard output, in UTC, without symbolizing anything itself.</summary>
    internal static async Task<string> RunAsync(params string[] args)
    {
        Need.Part(Program.Value is not null, "'go tool pprof' is missing: install golang");
        using var process = Process.Start(new ProcessStartInfo(Program.Value!, ["-symbolize=none", .. args])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["TZ"] = "UTC", ["HOME"] = Path.GetTempPath() },
        })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"pprof {string.Join(' ', args)}: {await errors}");
    }

    /// <summary>A report without its line for the time, which newer versions of pprof write in another way.</summary>
    internal static string WithoutTime(string report) =>
        string.Join('\n', report.Split('\n').Where(line => !line.StartsWith("Time: ", StringComparison.Ordinal)));

    private static string? Find()
    {
        try
        {
            using var go = Process.Start(new ProcessStartInfo("go", ["tool", "-n", "pprof"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var path = go.StandardOutput.ReadToEnd().Trim();
            go.WaitForExit();
            return go.ExitCode == 0 && File.Exists(path) ? path : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
