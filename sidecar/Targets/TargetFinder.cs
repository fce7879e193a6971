using System.Globalization;
using Premortem.Contracts;

namespace Premortem.Sidecar.Targets;

/// <summary>Finds the targets of a scope. A process is looked at once in its life: what is known of it is kept until it is gone.</summary>
internal sealed class TargetFinder(ProcFs proc, TargetScope scope, IReadOnlyList<string> containers)
{
    private const int MaxCgroups = 1_000;

    private readonly Dictionary<int, Member> _members = [];

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
        if (!_members.TryGetValue(pid, out var member))
            _members[pid] = member = new Member(Named(pid, stat), CgroupLocation.Of(proc, pid), IsProvisional: false);
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
        foreach (var pid in proc.Pids())
        {
            alive.Add(pid);
            if (_members.TryGetValue(pid, out var known) && !known.IsProvisional)
                continue;
            if (pid != Environment.ProcessId && Describe(pid, own) is { } member)
                _members[pid] = member;
        }
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

    private Member? Describe(int pid, string? own)
    {
        if (proc.Stat(pid) is not { } stat || CgroupLocation.IdOf(proc, pid) is not { } id)
            return null;
        // The pod's sandbox, this sidecar's own container, and kernel threads are nobody's targets.
        if (id.Path == own || stat.Name == "pause" || stat.State is 'Z' or 'X' || stat.ParentPid == 2 || pid == 2)
            return new Member("", null, IsProvisional: false);
        // Between fork and exec a process is still its parent by name.
        var isProvisional = proc.Executable(pid) is null;
        return new Member(Named(pid, stat), CgroupLocation.Of(proc, pid), isProvisional);
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

    private sealed record Member(string Container, CgroupLocation? Location, bool IsProvisional);
}
