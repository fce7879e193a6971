using System.Collections.Concurrent;
using System.Diagnostics;
using Xunit;

namespace Premortem.Testing;

/// <summary>A program under test: its lines are kept, and it is killed when the test ends.</summary>
public sealed class ChildProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private bool _isDisposed;

    private ChildProcess(ProcessStartInfo start)
    {
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        start.UseShellExecute = false;
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, e) => Keep(e.Data);
        _process.ErrorDataReceived += (_, e) => Keep(e.Data);
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>What it printed so far, standard output and error as they came.</summary>
    public IReadOnlyCollection<string> Lines => _lines;

    public string Output => string.Join('\n', _lines);

    /// <param name="cgroup">A cgroup directory that the program joins before it starts; null: the test's own.</param>
    public static ChildProcess Start(
        string program,
        IEnumerable<string> arguments,
        string? cgroup = null,
        IReadOnlyDictionary<string, string?>? environment = null)
    {
        // The shell joins the cgroup and then becomes the program: same pid, and no moment outside the cgroup.
        var start = cgroup is null
            ? new ProcessStartInfo(program, arguments)
            : new ProcessStartInfo("/bin/sh", ["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"", cgroup, program, .. arguments]);
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
            start.Environment[name] = value;
        var child = new ChildProcess(start);
        child._process.Start();
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Runs a program to its end and returns its exit code and its standard output and error.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?>? environment = null,
        TimeSpan? timeout = null)
    {
        await using var child = Start(program, arguments, environment: environment);
        return (await child.WaitForExitAsync(timeout), child.Output);
    }

    public async Task<int> WaitForExitAsync(TimeSpan? timeout = null)
    {
        using var deadline = new CancellationTokenSource(timeout ?? TimeSpan.FromSeconds(60));
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{_process.StartInfo.FileName} did not end in time; it printed:\n{Output}");
        }
        return _process.ExitCode;
    }

    public Task<string> WaitForLineAsync(string part, TimeSpan? timeout = null) => Eventually.Holds(
        () => _lines.FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal)) ?? (_process.HasExited ? Gone(part) : null),
        line => line is not null,
        $"a line with '{part}' from {_process.StartInfo.FileName}; it printed:\n{Output}\n",
        timeout)!;

    public void Signal(int signal)
    {
        if (Native.Kill(_process.Id, signal) != 0)
            throw new InvalidOperationException($"signal {signal} did not reach process {_process.Id}");
    }

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
    }

    private string Gone(string part)
    {
        // Its last lines may still be on their way through the pipe.
        _process.WaitForExit();
        return _lines.FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal))
            ?? throw new InvalidOperationException($"it ended with {_process.ExitCode} before it printed '{part}':\n{Output}");
    }

    private void Keep(string? line)
    {
        if (line is not null)
            _lines.Enqueue(line);
    }
}
