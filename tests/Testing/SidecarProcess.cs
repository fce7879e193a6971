using System.Globalization;
using Xunit;

namespace Premortem.Testing;

/// <summary>The native sidecar, running as users run it.</summary>
public sealed class SidecarProcess : IAsyncDisposable
{
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigUsr1 = 10;
    public const int SigTerm = 15;
    public const int SigCont = 18;
    public const int SigStop = 19;

    private const int ShownLines = 40;

    private readonly ChildProcess _process;
    private readonly List<LogLine> _log = [];
    private int _parsed;

    private SidecarProcess(ChildProcess process) => _process = process;

    public static string Program => Repository.Built("artifacts/publish/premortem-sidecar", "build");

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public string Output => _process.Output;

    /// <summary>What it has logged so far.</summary>
    public IReadOnlyList<LogLine> Log
    {
        get
        {
            lock (_log)
            {
                foreach (var line in _process.Lines.Skip(_parsed))
                {
                    _parsed++;
                    if (LogLine.TryParse(line) is { } parsed)
                        _log.Add(parsed);
                }
                return [.. _log];
            }
        }
    }

    /// <summary>
    /// What a shell in a PID and mount namespace of its own does first: see its own processes in /proc. <c>unshare --mount-proc</c> does
    /// it too, but not where the root is no mount point, as in a chroot.
    /// </summary>
    public const string OwnProc = "mount --make-rprivate /proc && mount -t proc proc /proc || exit 1\n";

    /// <param name="arguments">The scope, and whatever else: <c>--pid N</c>, <c>--cgroup DIR</c>, <c>--pod</c>.</param>
    /// <param name="cgroup">A cgroup that it runs in.</param>
    public static SidecarProcess Start(
        SidecarGround ground,
        IEnumerable<string> arguments,
        string? cgroup = null,
        IReadOnlyDictionary<string, string?>? environment = null) =>
        new(ChildProcess.Start(Program, ["run", "--policy", ground.Policy, "--spool", ground.Spool, .. arguments], cgroup, environment));

    public static SidecarProcess OnCgroup(SidecarGround ground, MemoryCgroup cgroup, params string[] more) => Start(ground, ["--cgroup", cgroup.Path, .. more]);

    public static SidecarProcess OnProcess(SidecarGround ground, int pid, params string[] more) =>
        Start(ground, ["--pid", pid.ToString(CultureInfo.InvariantCulture), .. more]);

    /// <summary>One that was started in another way: in namespaces of its own.</summary>
    public static SidecarProcess From(ChildProcess process) => new(process);

    /// <summary>Runs it to its end: for what ends by itself.</summary>
    public static Task<(int ExitCode, string Output)> RunAsync(SidecarGround ground, params string[] arguments) =>
        ChildProcess.RunAsync(Program, ["run", "--policy", ground.Policy, "--spool", ground.Spool, .. arguments]);

    public IReadOnlyList<LogLine> Events(int id) => [.. Log.Where(line => line.EventId == id)];

    /// <summary>Waits for a line with an event id of docs/reference/log-events.md.</summary>
    public async Task<LogLine> WaitForAsync(int id, Func<LogLine, bool>? which = null, TimeSpan? timeout = null)
    {
        LogLine? found = null;
        await Eventually.Holds(
            () => (found ??= Events(id).FirstOrDefault(line => which?.Invoke(line) ?? true)) is not null ? ""
                : HasExited ? throw new InvalidOperationException($"it ended before event {id} came:\n{Output}") : Output,
            _ => found is not null,
            $"event {id} of the sidecar",
            timeout ?? TimeSpan.FromSeconds(30));
        return found!;
    }

    /// <summary>Waits until it knows where the profiles of its target are.</summary>
    public Task<LogLine> ReadyAsync() => WaitForAsync(202);

    /// <summary>Waits until it has reached the runtime of its target.</summary>
    public Task<LogLine> ReadyDotNetAsync() => WaitForAsync(206);

    public void Signal(int signal) => _process.Signal(signal);

    /// <summary>Asks it to end, and returns its exit code.</summary>
    public Task<int> StopAsync(int signal = SigTerm)
    {
        Signal(signal);
        return ExitAsync();
    }

    public Task<int> ExitAsync(TimeSpan? timeout = null) => _process.WaitForExitAsync(timeout);

    /// <summary>What it said stands beside the test that failed.</summary>
    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        if (TestContext.Current.TestStatus == TestEngineStatus.Running)
            TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', _process.Lines.TakeLast(ShownLines)));
    }
}
