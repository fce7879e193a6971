namespace Premortem.Testing;

/// <summary>The sample .NET service, running. Its flags are in tests/Targets/dotnet-leak.</summary>
public sealed class DotNetLeak : IAsyncDisposable
{
    private DotNetLeak(ChildProcess process) => Process = process;

    public static string Program => Repository.Built("artifacts/targets/dotnet-leak/dotnet-leak", "targets");

    public ChildProcess Process { get; }

    /// <summary>Starts it, in a cgroup where one is given, and waits until it is up and, with <c>-kind hold</c>, holds what it is to hold. The GC is set up by <c>DOTNET_…</c> variables.</summary>
    public static async Task<DotNetLeak> StartAsync(string? cgroup = null, string program = "", IReadOnlyDictionary<string, string?>? environment = null, params string[] flags)
    {
        var process = ChildProcess.Start(program.Length > 0 ? program : Program, flags, cgroup, environment);
        try
        {
            await process.WaitForLineAsync(", ready");
            if (flags.Contains("hold"))
                await process.WaitForLineAsync("done growing", TimeSpan.FromSeconds(60));
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
        return new DotNetLeak(process);
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
