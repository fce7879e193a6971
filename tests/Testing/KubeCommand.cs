using System.Diagnostics;
using Xunit;

namespace Premortem.Testing;

/// <summary>What a run of kubectl or helm gave.</summary>
public sealed record KubeCommand(string Command, int ExitCode, string Output, string Error)
{
    public KubeCommand AssertOk()
    {
        if (ExitCode != 0)
            Assert.Fail($"{Command} ended with {ExitCode}:\n{Output}\n{Error}");
        return this;
    }

    /// <summary>helm by itself, for what needs no server.</summary>
    public static async Task<KubeCommand> HelmAsync(params string[] arguments)
    {
        using var home = new TemporaryFolder();
        return await RunAsync(KubeAssets.Helm, arguments, kubeconfig: null, home.Path);
    }

    /// <param name="home">Where the program finds and keeps settings and caches; null: the user's own, for clusters whose credentials are there.</param>
    public static async Task<KubeCommand> RunAsync(string program, string[] arguments, string? kubeconfig, string? home, string? input = null, TimeSpan? timeout = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (home is not null)
        {
            // Neither the user's own settings nor caches of theirs.
            start.Environment["HOME"] = home;
            start.Environment["KUBECACHEDIR"] = Path.Combine(home, "kubectl");
            foreach (var variable in new[] { "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HELM_NAMESPACE", "HELM_PLUGINS" })
                start.Environment.Remove(variable);
        }
        start.Environment["KUBECONFIG"] = kubeconfig ?? "/dev/null";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        try
        {
            await process.StandardInput.WriteAsync(input ?? "");
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading; its exit code tells.
        }
        using var deadline = new CancellationTokenSource(timeout ?? TimeSpan.FromSeconds(120));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{Path.GetFileName(program)} {string.Join(' ', arguments)} did not end in time:\n{await output}\n{await error}");
        }
        return new KubeCommand($"{Path.GetFileName(program)} {string.Join(' ', arguments)}", process.ExitCode, await output, await error);
    }
}
