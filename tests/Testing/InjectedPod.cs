using System.Globalization;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Testing;

/// <summary>
/// What an injected sidecar finds around it, without a kubelet: a PID namespace that it shares with the pod's containers, each in a cgroup of its
/// own, a sandbox, a volume with its settings, and an operator.
/// </summary>
public sealed class InjectedPod : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly MemoryCgroup _own = MemoryCgroup.Create(null);
    private readonly string _sandbox;

    public InjectedPod()
    {
        Directory.CreateDirectory(_folder.File("config"));
        Config = new PodConfig(_folder.File("config"));
        Token = _folder.File("token");
        File.WriteAllText(Token, "token-1");
        // The sandbox is known by its program's name.
        _sandbox = _folder.File("pause");
        File.Copy("/bin/sh", _sandbox);
    }

    public PodConfig Config { get; }

    public OperatorStub Operator { get; } = OperatorStub.Start();

    public string Token { get; }

    public string Spool => _folder.File("spool");

    public string Store => _folder.File("store");

    public string FileOf(string name) => _folder.File(name);

    public IReadOnlyList<StoredCapture> Captures => StoredCapture.In(Store);

    /// <summary>Settings of one policy that stores into <see cref="Store"/>, unless <paramref name="storage"/> says otherwise.</summary>
    /// <param name="triggers">In JSON; null: no policy.</param>
    public SidecarSettings Settings(string? triggers, string captures = """[{"type":"Heap"},{"type":"Process"}]""", string? storage = null, string? more = null, params ContainerSettings[] containers)
    {
        storage ??= $$$"""{"directory":{"path":"{{{Store}}}"}}""";
        var spec = $$$"""{"triggers":{{{triggers}}},"captures":{{{captures}}},{{{more}}}"storage":{{{storage}}} }""";
        return new SidecarSettings
        {
            Revision = "",
            Policies = triggers is null ? [] : [new AppliedPolicy(ProfilePolicy.Kind, "checkout", "shop", 1, (JsonObject)JsonNode.Parse(spec)!)],
            Containers = containers.Length > 0 ? containers : [new ContainerSettings("app", null)],
            Report = Operator.Settings,
        };
    }

    /// <param name="containers">What runs beside: a name, a cgroup and a line for a shell each.</param>
    /// <param name="arguments">Of the sidecar, beside those that the operator gives it.</param>
    public SidecarProcess Start(IReadOnlyList<(string Name, MemoryCgroup Cgroup, string Command)> containers, IReadOnlyDictionary<string, string?>? environment = null, params string[] arguments)
    {
        var pod = "in_cgroup() { (echo 0 > \"$1/cgroup.procs\"; shift; exec \"$@\"); }\n";
        foreach (var (name, cgroup, command) in containers)
            pod += $"in_cgroup {cgroup.Path} env PREMORTEM_CONTAINER={name} /bin/sh -c '{command}' &\n";
        pod += $"in_cgroup {_own.Path} {SidecarProcess.Program} run --pod --settings {Config.File} --spool {Spool} --token {Token} {string.Join(' ', arguments)} & sidecar=$!\n"
            + "wait $sidecar\n";
        return SidecarProcess.From(ChildProcess.Start(
            "unshare",
            ["--pid", "--fork", "--mount", "--propagation", "unchanged", "--kill-child", _sandbox, "-c", SidecarProcess.OwnProc + pod],
            environment: environment));
    }

    /// <summary>Signals the sidecar itself: what stands before it is the sandbox.</summary>
    public void Signal(int signal)
    {
        foreach (var process in Directory.GetDirectories("/proc").Where(path => char.IsAsciiDigit(Path.GetFileName(path)[0])))
            try
            {
                var arguments = File.ReadAllText(Path.Combine(process, "cmdline")).Split('\0');
                if (arguments[0] == SidecarProcess.Program && arguments.Contains(Spool))
                    _ = Native.Kill(int.Parse(Path.GetFileName(process), CultureInfo.InvariantCulture), signal);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended in between.
            }
    }

    public async ValueTask DisposeAsync()
    {
        await Operator.DisposeAsync();
        _own.Dispose();
        _folder.Dispose();
    }
}
