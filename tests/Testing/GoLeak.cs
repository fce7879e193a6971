using System.Globalization;

namespace Premortem.Testing;

/// <summary>The sample Go service, running. Its flags are in tests/Targets/go-leak.</summary>
public sealed class GoLeak : IAsyncDisposable
{
    private GoLeak(ChildProcess process, Uri pprof)
    {
        Process = process;
        Pprof = pprof;
    }

    public static string Program => Repository.Built("artifacts/targets/go-leak", "targets");

    public ChildProcess Process { get; }

    /// <summary>The base address of its pprof: <c>http://127.0.0.1:PORT</c>.</summary>
    public Uri Pprof { get; }

    /// <summary>Starts it on a free port, in a cgroup where one is given, and waits until it listens and, with <c>-mode hold</c>, holds what it is to hold.</summary>
    public static async Task<GoLeak> StartAsync(string? cgroup = null, string program = "", IReadOnlyDictionary<string, string?>? environment = null, params string[] flags)
    {
        var address = flags.Contains("-addr") ? Array.Empty<string>() : ["-addr", "127.0.0.1:0"];
        var process = ChildProcess.Start(program.Length > 0 ? program : Program, [.. address, .. flags], cgroup, environment);
        try
        {
            var line = await process.WaitForLineAsync("pprof on ");
            var at = line[(line.IndexOf("pprof on ", StringComparison.Ordinal) + 9)..];
            if (flags.Contains("hold"))
                await process.WaitForLineAsync("done growing");
            var scheme = flags.Contains("-tls") ? "https" : "http";
            return new GoLeak(process, new Uri(string.Create(CultureInfo.InvariantCulture, $"{scheme}://{at}")));
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
