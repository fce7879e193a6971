using System.Globalization;
using Premortem.Contracts;

namespace Premortem.Sidecar.Targets;

/// <summary>
/// Finds the targets of a scope. In a pod a process is looked at in its first moments, while it may still be joining its container's
/// cgroup and becoming its program; from then on what is known of it is kept until it is gone.
/// </summary>
internal sealed class TargetFinder(ProcFs proc, TargetScope scope, IReadOnlyList<string> containers)
{
    private const int MaxCgroups = 1_000;

    private const long SettlesWithinMilliseconds = 3_000;

    private readonly Dictionary<int, Member> _members = [];

    /// <summary>Whether nothing that was found may still turn out to be something else; until then it is worth looking again.</summary>
    public bool IsSettled { get; private set; } = true;

    /// <summary>What is there now.</summary>
    public IReadOnlyList<FoundTarget> Find() => scope switch
    {
        TargetScope.Process process => FindProcess(process.Pid),
        TargetScope.Cgroup cgroup => FindCgroup(cgroup.Directory),
        _ => FindPod(),
    };

    private List<FoundTarget> FindProcess(int pid)
    {
        if (proc.Stat(pid) is not { State: not ('Z' or 'X') } stat)
            return [];
        // Looked up anew: a process that was started before it got its limit is moved.
        if (!_members.TryGetValue(pid, out var member) || CgroupLocation.IdOf(proc, pid)?.Path != member.Location?.Id)
            _members[pid] = member = new Member(Named(pid, stat), CgroupLocation.Of(proc, pid), stat.Name, "", Environment.TickCount64);
        return [new FoundTarget($"pid-{pid}", member.Container, [pid], member.Location)];
    }

    private static List<FoundTarget> FindCgroup(string directory)
    {
        var pids = new List<int>();
        var pending = new Queue<string>([directory]);
        for (var seen = 0; pending.Count > 0 && seen < MaxCgroups; seen++)
        {
            var at = pending.Dequeue();
            try
            {
                foreach (var line in File.ReadLines(Path.Combine(at, "cgroup.procs")))
                    if (int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && pid > 0)
                        pids.Add(pid);
                foreach (var child in Directory.EnumerateDirectories(at))
                    pending.Enqueue(child);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A child that was removed in between, or one that may not be read: the others are still there.
            }
        }
        if (pids.Count == 0)
            return [];
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(directory));
        return [new FoundTarget(directory, name, pids, new CgroupLocation(directory, directory, MountPointOf(directory)))];
    }

    private List<FoundTarget> FindPod()
    {
        var own = CgroupLocation.IdOf(proc, Environment.ProcessId)?.Path;
        var alive = new HashSet<int>();
        var isSettled = true;
        foreach (var pid in proc.Pids())
        {
            alive.Add(pid);
            if (pid == Environment.ProcessId)
                continue;
            var isKnown = _members.TryGetValue(pid, out var known);
            if (isKnown && Environment.TickCount64 - known!.SeenAt > SettlesWithinMilliseconds)
                continue;
            if (proc.Stat(pid) is not { } stat || CgroupLocation.IdOf(proc, pid) is not { } id)
                continue;
            isSettled = false;
            if (!isKnown || known!.Name != stat.Name || known.CgroupId != id.Path)
                _members[pid] = Describe(pid, stat, id.Path, own, isKnown ? known!.SeenAt : Environment.TickCount64);
        }
        IsSettled = isSettled;
        foreach (var gone in _members.Keys.Where(pid => !alive.Contains(pid)).ToList())
            _members.Remove(gone);

        var found = _members
            .Where(pair => pair.Value.Location is not null)
            .GroupBy(pair => pair.Value.Location!.Id)
            .Select(group => (group, First: group.MinBy(pair => pair.Key).Value))
            .Where(found => containers.Count == 0 || containers.Contains(found.First.Container))
            .OrderBy(found => found.group.Min(pair => pair.Key));
        var targets = new List<FoundTarget>();
        foreach (var (group, first) in found)
        {
            // Without names from the operator two containers may run programs of one name: the older keeps it.
            var name = first.Container;
            for (var n = 2; targets.Exists(target => target.Key == name); n++)
                name = string.Create(CultureInfo.InvariantCulture, $"{first.Container}-{n}");
            targets.Add(new FoundTarget(name, name, [.. group.Select(pair => pair.Key).Order()], first.Location));
        }
        return targets;
    }

    private Member Describe(int pid, ProcessStat stat, string cgroupId, string? own, long seenAt)
    {
        // Where the host's own processes are seen, process 2 is the parent of the kernel's threads; in a pod it may be anybody.
        var isKernels = (pid == 2 || stat.ParentPid == 2) && proc.Stat(2) is { Name: "kthreadd" };
        // The pod's sandbox, this sidecar's own container, and kernel threads are nobody's targets.
        var isNobodys = cgroupId == own || stat.Name == "pause" || stat.State is 'Z' or 'X' || isKernels;
        return isNobodys
            ? new Member("", null, stat.Name, cgroupId, seenAt)
            : new Member(Named(pid, stat), CgroupLocation.Of(proc, pid), stat.Name, cgroupId, seenAt);
    }

    private string Named(int pid, ProcessStat stat) =>
        proc.EnvironmentVariable(pid, Names.ContainerVariable) ?? stat.Name;

    private static string MountPointOf(string directory)
    {
        // Up to where the kernel's files end: the parent of a mount's root has no cgroup.procs.
        var top = Path.TrimEndingDirectorySeparator(directory);
        while (Path.GetDirectoryName(top) is { } parent && File.Exists(Path.Combine(parent, "cgroup.procs")))
            top = parent;
        return top;
    }

    /// <param name="Name">What the process was called when it was looked at: an <c>exec</c> changes it.</param>
    /// <param name="SeenAt">When it was first seen, in milliseconds of the system's tick count.</param>
    private sealed record Member(string Container, CgroupLocation? Location, string Name, string CgroupId, long SeenAt);
}
