using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Heaps;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Diagnostics;
using Premortem.Sidecar.Hosting;

namespace Premortem.Sidecar.Targets;

/// <summary>Learns what a process is and where its profiles are, and goes on asking until it knows or the process is gone.</summary>
/// <param name="port">Where .NET runtimes dial in; null: nowhere.</param>
/// <param name="dumps">A volume that targets see too, where their runtimes can write dumps; null: each has to have a place of its own.</param>
internal sealed class TargetProbe(
    ProcFs proc,
    TimeProvider time,
    ILogger<TargetProbe> log,
    DiagnosticPortListener? port = null,
    DumpFolder? dumps = null) : IDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(15);

    /// <summary>A program that is not up after this long is said to have no profiles; it is still asked from time to time.</summary>
    private static readonly TimeSpan SaidAfter = TimeSpan.FromSeconds(3);

    private readonly PprofEndpointFinder _finder = new(time, proc.Root);

    public void Dispose() => _finder.Dispose();

    /// <summary>
    /// Reads the build info of a process's executable, or looks for a .NET runtime in it; null where it is neither, or may not be read.
    /// </summary>
    /// <param name="wanted">What the policy says that it is.</param>
    public (string? Executable, RuntimeIdentity? Runtime) Identify(int pid, RuntimeKind wanted)
    {
        var executable = proc.Executable(pid);
        if (wanted != RuntimeKind.DotNet && GoBuildInfo.TryRead($"{proc.Root}/{pid}/exe") is { } info)
            return (executable, new RuntimeIdentity(RuntimeKind.Go, info.GoVersion, info.MainModule ?? info.MainPackage, info.ModuleVersion));
        if (wanted != RuntimeKind.Go && DotNetProcess.TryFind(proc, pid, port) is { } dotNet)
            return (executable, new RuntimeIdentity(RuntimeKind.DotNet, dotNet.Version));
        return (executable, null);
    }

    /// <summary>
    /// Works on one life until its profiles are found, its end, <paramref name="ct"/>, or until it is begun anew because the policy says otherwise.
    /// </summary>
    public async Task FollowAsync(TargetLife life, ProfilePolicySpec spec, CancellationToken ct)
    {
        var renewed = life.RenewProbe();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(renewed, ct);
        try
        {
            await SearchAsync(life, spec, either.Token);
        }
        catch (OperationCanceledException) when (renewed.IsCancellationRequested)
        {
            // Another search goes on in its place, or nobody watches this life any more.
        }
    }

    private async Task SearchAsync(TargetLife life, ProfilePolicySpec spec, CancellationToken ct)
    {
        var container = life.Identity.Container;
        var started = time.GetTimestamp();
        RuntimeIdentity? seen = null;
        string? said = null;
        for (var retry = FirstRetry; !life.HasEnded && !life.IsReplaced; retry = retry * 2 < LongestRetry ? retry * 2 : LongestRetry)
        {
            // Asked anew each time: between fork and exec a process is not yet what it will be.
            var (executable, runtime) = Identify(life.Process.Pid, spec.Runtime);
            if (runtime != seen || executable != life.Identity.Executable)
            {
                seen = runtime;
                runtime = runtime is null ? null : WithSettings(life, runtime);
                life.Learn(executable, runtime);
                if (runtime is not null)
                    Log.RuntimeFound(log, container, runtime.Kind.ToString(), runtime.Version, runtime.MainModule ?? "not known yet");
            }
            var missing = seen?.Kind == RuntimeKind.DotNet ? await UseDiagnosticsAsync(life, spec, ct) : await UsePprofAsync(life, spec, ct);
            if (missing is null)
                break;
            life.Miss(missing);
            if (said != missing.Reason && time.GetElapsedTime(started) >= SaidAfter)
            {
                said = missing.Reason;
                Log.EndpointMissing(log, container, missing.Reason, missing.Detail);
            }
            await Task.WhenAny(life.Over, Task.Delay(retry, time, ct));
            ct.ThrowIfCancellationRequested();
        }
        if (life.Heap is not null)
            await life.ListenAsync(ct);
    }

    private async Task<Obstacle?> UsePprofAsync(TargetLife life, ProfilePolicySpec spec, CancellationToken ct)
    {
        // A port that the policy names is asked even of a program that cannot be recognised: its executable may be unreadable.
        if (life.Identity.Runtime is null && spec.Go.Port is null && spec.Runtime != RuntimeKind.Go)
            return NotRecognised(life, spec);
        switch (await _finder.FindAsync(life.Process.Pid, spec.Go, ct))
        {
            case PprofSearch.Found found:
                // The life owns the client from here on.
                var client = new PprofClient(found.Endpoint, () => IsAlive(life), time);
                life.Use(client, found.Endpoint.ToString());
                await client.WarmAsync(ct);
                Log.EndpointFound(log, life.Identity.Container, found.Endpoint.ToString());
                return null;
            case PprofSearch.NotFound missing:
                return new Obstacle(missing.Reason, missing.Detail);
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    /// <summary>Asks the runtime who it is. What answers, and answers right, is where captures come from.</summary>
    private async Task<Obstacle?> UseDiagnosticsAsync(TargetLife life, ProfilePolicySpec spec, CancellationToken ct)
    {
        if (DotNetProcess.TryFind(proc, life.Process.Pid, port) is not { } dotNet)
            return NotRecognised(life, spec);
        var search = dotNet.FindEndpoint(port);
        if (search is DiagnosticsSearch.NotFound missing)
            return new Obstacle(missing.Reason, missing.Detail);
        var endpoint = ((DiagnosticsSearch.Found)search).Endpoint;
        try
        {
            // An endpoint holds nothing open between commands, so that one serves whoever asks.
            var client = new DiagnosticsClient(endpoint, time);
            var info = await client.ReadProcessInfoAsync(ct);
            if (info.Pid != (ulong)dotNet.OwnPid)
                return new Obstacle(Reasons.InvalidContent, $"{client.Address} answers for process {info.Pid}, and not for {dotNet.OwnPid}");
            var heap = new HeapMonitor(client, time);
            life.Listen(heap);
            var known = life.Identity.Runtime ?? new RuntimeIdentity(RuntimeKind.DotNet, null);
            var told = Told(known with { Version = info.Version ?? known.Version, MainModule = info.Assembly ?? known.MainModule }, await heap.GreetAsync(ct));
            life.Learn(life.Identity.Executable, told);
            var pid = life.Process.Pid;
            life.Use(new DotNetSource(new DiagnosticsClient(endpoint, time), () => DumpFolder.Find(proc, pid, dumps), () => proc.Stat(pid)?.ResidentBytes, () => IsAlive(life), time), client.Address);
            Log.DiagnosticsFound(log, life.Identity.Container, client.Address, told.Version, told.MainModule, told.GcMode, told.HeapLimitBytes is { } limit ? Quantity.ForPeople(limit) : "none");
            return null;
        }
        catch (DiagnosticsException e)
        {
            return new Obstacle(e.Reason, e.Message);
        }
    }

    private bool IsAlive(TargetLife life) => !life.HasEnded && proc.Stat(life.Process.Pid) is { State: not ('Z' or 'X') };

    /// <summary>The runtime's own word on its garbage collector goes before what its surroundings say.</summary>
    private static RuntimeIdentity Told(RuntimeIdentity known, HeapConfiguration? configuration) => configuration is null ? known : known with
    {
        GcMode = GcSettings.ModeOf(configuration.IsServer, configuration.IsConcurrent),
        HeapLimitBytes = configuration.HardLimitBytes,
        HeapLimitSource = configuration.HardLimitBytes is null ? null : configuration.HardLimitBytes == known.HeapLimitBytes ? known.HeapLimitSource : "the runtime's own word",
    };

    /// <summary>Adds what the environment and the configuration say about the garbage collector.</summary>
    private RuntimeIdentity WithSettings(TargetLife life, RuntimeIdentity runtime)
    {
        if (runtime.Kind == RuntimeKind.Go)
            return GoMemoryLimit.TryParse(proc.EnvironmentVariable(life.Process.Pid, GoMemoryLimit.Variable), out var bytes)
                ? runtime with { HeapLimitBytes = bytes, HeapLimitSource = GoMemoryLimit.Variable }
                : runtime;
        var settings = GcSettings.Of(proc, life.Process.Pid, life.ContainerLimitBytes);
        return runtime with { GcMode = settings.Mode, HeapLimitBytes = settings.HeapLimitBytes, HeapLimitSource = settings.HeapLimitSource };
    }

    private static Obstacle NotRecognised(TargetLife life, ProfilePolicySpec spec) => life.Identity.Executable is not { } executable
        ? new Obstacle(Reasons.NotSupportedByRuntime, "its executable cannot be read: run the sidecar as the target's user")
        : new Obstacle(Reasons.NotSupportedByRuntime, spec.Runtime switch
        {
            RuntimeKind.DotNet => $"{executable} maps no .NET runtime and has no diagnostics socket",
            RuntimeKind.Go => $"{executable} holds no Go build info, so it is no Go program",
            _ => $"{executable} holds no Go build info and maps no .NET runtime, so it is neither a Go nor a .NET program",
        });
}
