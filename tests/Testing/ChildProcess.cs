using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Xunit;

namespace Premortem.Testing;

/// <summary>A program under test: its lines are kept, and it is killed when the test ends.</summary>
public sealed class ChildProcess : IAsyncDisposable
{
    // At a limit the kernel may take a program's code from memory and read it anew for minutes before it kills.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(150);

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
        if (cgroup is not null)
            ReadCodeOf(program);
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
        using var deadline = new CancellationTokenSource(timeout ?? s_patience);
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

    /// <summary>Kills it where it still runs: one that has just ended, and been reaped, is no error.</summary>
    public void Kill() => _process.Kill();

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

    /// <summary>
    /// A page of a file is charged to the cgroup whose process reads it first. What is charged to a cgroup at its limit is what the kernel takes
    /// first, and a program whose code is taken stands still: so its code, and the runtime's, is read here before.
    /// </summary>
    private static void ReadCodeOf(string program)
    {
        var buffer = new byte[1 << 20];
        string?[] folders = [Path.GetDirectoryName(program), RuntimeEnvironment.GetRuntimeDirectory()];
        var libraries = folders.Where(Directory.Exists).SelectMany(folder => Directory.EnumerateFiles(folder!, "*.dll").Concat(Directory.EnumerateFiles(folder!, "*.so")));
        foreach (var path in libraries.Append(program).Where(File.Exists))
        {
            using var file = File.OpenRead(path);
            while (file.Read(buffer) > 0)
            {
            }
        }
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
