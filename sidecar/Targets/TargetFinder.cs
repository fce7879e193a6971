using System.Globalization;
using Premortem.Contracts;

namespace Premortem.Sidecar.Targets;

/// <summary>
/// Finds the targets of a scope. In a pod a process is looked at in its first moments, while it may still be joining its container's
/// cgroup and becoming its program; from then on what is known of it is kept until it is gone.
/// </summary>
internal sealed class TargetFinder(ProcFs proc, TargetScope scope, TimeProvider time)
{
    private const int MaxCgroups = 1_000;

    private static readonly TimeSpan SettlesWithin = TimeSpan.FromSeconds(3);

    private readonly Dictionary<int, Member> _members = [];

    /// <summary>Whether nothing that was found may still turn out to be something else; until then it is worth looking again.</summary>
    public bool IsSettled { get; private set; } = true;

    /// <summary>The names of the containers that are there, by cgroup: when one of two of a name restarts, the other keeps its own.</summary>
    private readonly Dictionary<string, (string Container, string Name)> _names = [];

    /// <summary>The names that could only be told by elimination, by cgroup.</summary>
    private readonly Dictionary<string, string> _leftOver = [];

    /// <summary>The names of the pod's containers, as far as they are worth watching; empty: not known.</summary>
    public IReadOnlyList<string> Containers { get; set; } = [];

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
            _members[pid] = member = new Member(proc.EnvironmentVariable(pid, Names.ContainerVariable), CgroupLocation.Of(proc, pid), stat.Name, "", time.GetTimestamp());
        return [new FoundTarget($"pid-{pid}", member.Container ?? member.Name, [pid], member.Location)];
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
            if (isKnown && time.GetElapsedTime(known!.SeenAt) > SettlesWithin)
                continue;
            if (proc.Stat(pid) is not { } stat || CgroupLocation.IdOf(proc, pid) is not { } id)
                continue;
            isSettled = false;
            // The container runtime's own first process, runc:[2:INIT], waits in the container's cgroup to become the program.
            if (stat.Name.Contains(":[", StringComparison.Ordinal) && stat.Name.EndsWith(']'))
                continue;
            if (!isKnown || known!.Name != stat.Name || known.CgroupId != id.Path)
                _members[pid] = Describe(pid, stat, id.Path, own, isKnown ? known!.SeenAt : time.GetTimestamp());
        }
        IsSettled = isSettled;
        foreach (var gone in _members.Keys.Where(pid => !alive.Contains(pid)).ToList())
            _members.Remove(gone);

        var found = _members
            .Where(pair => pair.Value.Location is not null)
            .GroupBy(pair => pair.Value.Location!.Id)
            .Select(group => group.OrderBy(pair => pair.Key).ToList())
            .OrderBy(group => group[0].Key)
            .Select(group => (Id: group[0].Value.Location!.Id, Name: group.Select(pair => pair.Value.Container).FirstOrDefault(name => name is not null), Members: group))
            .ToList();
        foreach (var gone in _names.Keys.Concat(_leftOver.Keys).Where(id => !found.Exists(target => target.Id == id)).ToList())
        {
            _names.Remove(gone);
            _leftOver.Remove(gone);
        }
        NameLeftOver([.. found.Where(target => target.Name is not null).Select(target => target.Name!)], [.. found.Where(target => target.Name is null).Select(target => (target.Id, target.Members[0].Value.SeenAt))]);
        var targets = new List<FoundTarget>();
        foreach (var (id, told, members) in found)
        {
            var first = members[0].Value;
            var name = NameFor(id, told ?? _leftOver.GetValueOrDefault(id) ?? first.Name);
            targets.Add(new FoundTarget(name, name, [.. members.Select(pair => pair.Key)], first.Location));
        }
        return targets;
    }

    /// <summary>Of one that nobody can name, in a pod of which one container is not accounted for, it is known who it is. It stays so, unless that one comes and tells its name: the settings leave out containers that no policy could watch.</summary>
    private void NameLeftOver(IReadOnlyList<string> named, IReadOnlyList<(string Id, long SeenAt)> unnamed)
    {
        foreach (var (id, _) in _leftOver.Where(left => named.Contains(left.Value)).ToList())
            _leftOver.Remove(id);
        var open = unnamed.Where(target => !_leftOver.ContainsKey(target.Id)).ToList();
        // One that has just come may be about to tell its name.
        if (open is [var (only, seenAt)] && Containers.Where(name => !named.Contains(name) && !_leftOver.ContainsValue(name)).Take(2).ToList() is [var name]
            && time.GetElapsedTime(seenAt) >= SettlesWithin)
            _leftOver.Add(only, name);
    }

    private Member Describe(int pid, ProcessStat stat, string cgroupId, string? own, long seenAt)
    {
        // Where the host's own processes are seen, process 2 is the parent of the kernel's threads; in a pod it may be anybody.
        var isKernels = (pid == 2 || stat.ParentPid == 2) && proc.Stat(2) is { Name: "kthreadd" };
        // The pod's sandbox, this sidecar's own container, and kernel threads are nobody's targets.
        var isNobodys = cgroupId == own || stat.Name == "pause" || stat.State is 'Z' or 'X' || isKernels;
        return isNobodys
            ? new Member(null, null, stat.Name, cgroupId, seenAt)
            : new Member(ContainerNames.Of(proc, pid, Containers), CgroupLocation.Of(proc, pid), stat.Name, cgroupId, seenAt);
    }

    /// <summary>Without names from the operator two containers may run programs of one name: the first one found has it alone.</summary>
    private string NameFor(string cgroup, string container)
    {
        // In its first moments it may still become what it is called.
        if (_names.TryGetValue(cgroup, out var kept) && kept.Container == container)
            return kept.Name;
        _names.Remove(cgroup);
        var name = container;
        for (var n = 2; _names.Values.Any(taken => taken.Name == name); n++)
            name = string.Create(CultureInfo.InvariantCulture, $"{container}-{n}");
        _names.Add(cgroup, (container, name));
        return name;
    }

    private static string MountPointOf(string directory)
    {
        // Up to where the kernel's files end: the parent of a mount's root has no cgroup.procs.
        var top = Path.TrimEndingDirectorySeparator(directory);
        while (Path.GetDirectoryName(top) is { } parent && File.Exists(Path.Combine(parent, "cgroup.procs")))
            top = parent;
        return top;
    }

    /// <param name="Container">What its container is called; null: nobody says.</param>
    /// <param name="Name">What the process was called when it was looked at: an <c>exec</c> changes it.</param>
    /// <param name="SeenAt">When it was first seen, as a timestamp of the clock.</param>
    private sealed record Member(string? Container, CgroupLocation? Location, string Name, string CgroupId, long SeenAt);
}
