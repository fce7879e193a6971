using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Targets;

/// <summary>Chooses, for each target that was found, the process to capture and the place to read memory from, through all its lives.</summary>
internal sealed class TargetFollower(ProcFs proc, TargetProbe probe, PipelineOptions options, TimeProvider time, ILogger<TargetFollower> log)
{
    /// <summary>Begins a life of a target that has none, or gives one that watches the wrong process the right one.</summary>
    /// <param name="now">Monotonic time.</param>
    /// <returns>The life that was begun; null: none was.</returns>
    public TargetLife? Follow(TargetWatch watch, FoundTarget target, TimeSpan now)
    {
        if (watch.Life is { } known && watch.CgroupId != target.Cgroup?.Id && target.Pids.Contains(known.Process.Pid))
            Move(watch, known, target);
        if (watch.Life is { Identity.Runtime: not null })
            return null;
        var main = MainProcess(target.Pids, watch.Spec.Runtime);
        if (main is not { } process || (watch.Life is { } current && (process.Pid == current.Process.Pid || process.Runtime is null)))
            return null;
        if (proc.Stat(process.Pid) is not { } stat || ProcessHandle.TryOpen(proc, process.Pid) is not { } handle)
            return null;
        // The shell around a program that died is no new life of it, and its end no further crash.
        if (watch.Life is null && process.Runtime is null && stat.StartTicks <= watch.EndedStartTicks)
        {
            handle.Dispose();
            return null;
        }
        var isNewLife = watch.Life is null;
        var identity = new TargetIdentity
        {
            Namespace = options.Identity.Namespace,
            Workload = options.Identity.Workload ?? watch.Container,
            Pod = options.Identity.Pod,
            Container = watch.Container,
            Node = options.Identity.Node,
            Incarnation = isNewLife ? watch.Incarnation + 1 : watch.Incarnation,
            Pid = process.Pid,
        };
        var life = new TargetLife(handle, identity, stat.StartTicks, now);
        var source = SourceFor(watch, target);
        var previous = watch.Life;
        watch.Begin(life, source, target.Cgroup?.Id, isNewLife);
        previous?.Replace();
        previous?.Dispose();
        Tell(watch, life);
        return life;
    }

    /// <summary>Whoever started the process has moved it into another cgroup: there it is limited now, and killed.</summary>
    private void Move(TargetWatch watch, TargetLife life, FoundTarget target)
    {
        var source = SourceFor(watch, target);
        if (source is not CgroupMemory || source == watch.Memory)
        {
            // A process on its way out is shown in v1's root, which has no memory of its own.
            if (source != watch.Memory)
                source.Dispose();
            return;
        }
        watch.MoveTo(source, target.Cgroup!.Id);
        Tell(watch, life);
    }

    private void Tell(TargetWatch watch, TargetLife life)
    {
        watch.Memory!.TryRead(out var reading);
        life.ContainerLimitBytes = reading.LimitBytes ?? watch.PodLimitBytes;
        var limit = reading.Ceiling(watch.GivenLimit(reading));
        Log.Watching(log, watch.Container, life.Process.Pid, life.Identity.Incarnation, watch.Memory.Name, limit is { } bytes ? Quantity.ForPeople(bytes) : "none");
        if (limit is null && !watch.ToldNoLimit)
        {
            watch.ToldNoLimit = true;
            Log.NoLimit(log, watch.Container);
        }
    }

    private IMemorySource SourceFor(TargetWatch watch, FoundTarget target)
    {
        if (watch.Memory is { } kept && watch.CgroupId == target.Cgroup?.Id && kept.TryRead(out _))
            return kept;
        if (target.Cgroup is { Directory: { } directory, MountPoint: { } mount } && CgroupMemory.TryOpen(directory, mount, time) is { } cgroup)
        {
            // A single process without a limit of its own shares its cgroup with who knows whom.
            if (options.Scope is not TargetScope.Process || (cgroup.TryRead(out var reading) && reading.LimitBytes is not null))
                return cgroup;
            cgroup.Dispose();
        }
        return new ProcMemory(proc.Root, () => watch.Pids);
    }

    /// <summary>
    /// The process whose profiles are worth most: the largest Go or .NET program, else the one that the container was started with. A shell's
    /// helpers come and go, and are not the container's lives; a child that outweighs it by far is what it was started for.
    /// </summary>
    private (int Pid, RuntimeIdentity? Runtime)? MainProcess(IReadOnlyList<int> pids, RuntimeKind wanted)
    {
        const int most = 16;
        const long worthWhile = 16 << 20;
        var largest = pids
            .Select(pid => (Pid: pid, Stat: proc.Stat(pid)))
            .Where(process => process.Stat is { State: not ('Z' or 'X') })
            .OrderByDescending(process => process.Stat!.ResidentBytes)
            .Take(most)
            .Select(process => (process.Pid, Stat: process.Stat!, probe.Identify(process.Pid, wanted).Runtime))
            .ToList();
        if (largest.Count == 0)
            return null;
        var main = largest.Find(process => process.Runtime is not null);
        if (main.Pid == 0)
        {
            main = largest.MinBy(process => (process.Stat.StartTicks, process.Pid));
            if (largest[0].Stat.ResidentBytes >= Math.Max(worthWhile, 2 * main.Stat.ResidentBytes))
                main = largest[0];
        }
        return (main.Pid, main.Runtime);
    }
}
