using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Hosting;

namespace Premortem.Sidecar.Targets;

/// <summary>Learns what a process is and where its profiles are, and goes on asking until it knows or the process is gone.</summary>
internal sealed class TargetProbe(ProcFs proc, ProfilePolicySpec spec, TimeProvider time, ILogger<TargetProbe> log) : IDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(15);

    /// <summary>A program that is not up after this long is said to have no profiles; it is still asked from time to time.</summary>
    private static readonly TimeSpan SaidAfter = TimeSpan.FromSeconds(3);

    private readonly PprofEndpointFinder _finder = new(time, proc.Root);

    public void Dispose() => _finder.Dispose();

    /// <summary>Reads the build info of a process's executable; null where it is no Go program, or may not be read.</summary>
    public (string? Executable, RuntimeIdentity? Runtime) Identify(int pid)
    {
        var executable = proc.Executable(pid);
        var info = spec.Runtime == RuntimeKind.DotNet ? null : GoBuildInfo.TryRead($"{proc.Root}/{pid}/exe");
        return (executable, info is null ? null : new RuntimeIdentity(RuntimeKind.Go, info.GoVersion, info.MainModule ?? info.MainPackage, info.ModuleVersion));
    }

    /// <summary>Works on one life until its profiles are found, its end, or <paramref name="ct"/>.</summary>
    public async Task FollowAsync(TargetLife life, CancellationToken ct)
    {
        var container = life.Identity.Container;
        var started = time.GetTimestamp();
        string? said = null;
        for (var retry = FirstRetry; !life.HasEnded && !life.IsReplaced; retry = retry * 2 < LongestRetry ? retry * 2 : LongestRetry)
        {
            // Asked anew each time: between fork and exec a process is not yet what it will be.
            var (executable, runtime) = Identify(life.Process.Pid);
            if (runtime != life.Identity.Runtime || executable != life.Identity.Executable)
            {
                life.Learn(executable, runtime);
                if (runtime is not null)
                    Log.RuntimeFound(log, container, runtime.Kind.ToString(), runtime.Version, runtime.MainModule);
            }
            // A port that the policy names is asked even of a program that cannot be recognised: its executable may be unreadable.
            var search = runtime is not null || spec.Go.Port is not null || spec.Runtime == RuntimeKind.Go
                ? await _finder.FindAsync(life.Process.Pid, spec.Go, ct)
                : new PprofSearch.NotFound(Reasons.NotSupportedByRuntime, NotRecognised(executable));
            if (search is PprofSearch.Found found)
            {
                // The life owns the client from here on.
                var client = new PprofClient(found.Endpoint, () => !life.HasEnded && proc.Stat(life.Process.Pid) is { State: not ('Z' or 'X') }, time);
                life.Use(client);
                await client.WarmAsync(ct);
                Log.EndpointFound(log, container, found.Endpoint.ToString());
                return;
            }
            var missing = (PprofSearch.NotFound)search;
            life.Miss(missing);
            if (said != missing.Reason && time.GetElapsedTime(started) >= SaidAfter)
            {
                said = missing.Reason;
                Log.EndpointMissing(log, container, missing.Reason, missing.Detail);
            }
            await Task.WhenAny(life.Ended, Task.Delay(retry, time, ct));
            ct.ThrowIfCancellationRequested();
        }
    }

    private static string NotRecognised(string? executable) => executable is null
        ? "its executable cannot be read: run the sidecar as the target's user"
        : $"{executable} holds no Go build info, so it is no Go program";
}
