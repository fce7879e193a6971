using System.Collections.Concurrent;
using System.Diagnostics;

namespace Premortem.Testing;

/// <summary>A server of the test bed: writes its log to a file, and dies with the test process, however that ends.</summary>
internal sealed class KubeProcess : IAsyncDisposable
{
    // The kernel sends a child its parent-death signal when the thread that started it ends, not the process: so one thread, which lives
    // as long as the process does, starts them all.
    private static readonly BlockingCollection<Action> s_starts = [];
    private readonly Process _process;

    static KubeProcess() => new Thread(() =>
    {
        foreach (var start in s_starts.GetConsumingEnumerable())
            start();
    })
    { IsBackground = true, Name = "starts servers" }.Start();

    private KubeProcess(Process process, string log)
    {
        _process = process;
        Log = log;
    }

    public string Log { get; }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public static async Task<KubeProcess> StartAsync(string program, IEnumerable<string> arguments, string log, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo("/bin/sh")
        {
            UseShellExecute = false,
            ArgumentList = { "-c", "if command -v setpriv >/dev/null; then set -- setpriv --pdeathsig KILL \"$@\"; fi; exec \"$@\" >>\"$0\" 2>&1 </dev/null", log, program },
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        s_starts.Add(() =>
        {
            try
            {
                started.SetResult(Process.Start(start)!);
            }
            catch (Exception e)
            {
                started.SetException(e);
            }
        });
        return new KubeProcess(await started.Task, log);
    }

    /// <summary>The last lines of its log.</summary>
    public string Tail() => File.Exists(Log) ? string.Join('\n', File.ReadLines(Log).TakeLast(15)) : "";

    public void Kill()
    {
        if (!_process.HasExited)
            _process.Kill();
    }

    public async ValueTask DisposeAsync()
    {
        Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
