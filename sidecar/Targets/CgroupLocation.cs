using System.Globalization;

namespace Premortem.Sidecar.Targets;

/// <summary>Where the cgroup of a process, of one controller, can be read from here.</summary>
/// <param name="Id">The same for all processes of a container, different for different containers.</param>
/// <param name="Directory">The directory of its files; null where none can be reached.</param>
/// <param name="MountPoint">The top of the cgroup file system that <paramref name="Directory"/> is in.</param>
internal sealed record CgroupLocation(string Id, string? Directory, string? MountPoint)
{
    /// <summary>
    /// Finds it: through the process's own root, as a sidecar has to, and through this program's own mounts, as on a host. A mount may
    /// show the whole tree or only the container's part, and a path may be relative to another cgroup namespace: each candidate is
    /// asked whether the process is in it.
    /// </summary>
    /// <param name="controller"><c>memory</c> or <c>cpu</c>: in v1 a process has a cgroup of each.</param>
    public static CgroupLocation? Of(ProcFs proc, int pid, string controller = Memory)
    {
        if (IdOf(proc, pid, controller) is not { } id)
            return null;
        var (path, isV2) = id;
        var witness = controller != Memory ? "cpu.stat" : isV2 ? "memory.current" : "memory.usage_in_bytes";
        string? fallback = null, fallbackMount = null;
        foreach (var (mount, mountRoot) in Mounts(proc, pid, isV2, controller).Concat(OwnMounts(proc, isV2, controller)))
        {
            foreach (var directory in Candidates(mount, mountRoot, path))
            {
                if (!File.Exists(Path.Combine(directory, witness)))
                    continue;
                if (Holds(directory, pid))
                    return new CgroupLocation(path, directory, mount);
                // In a container's private view the processes may be numbered otherwise; a whole tree's root is not the container.
                if (fallback is null && directory == mount && mountRoot != "/")
                    (fallback, fallbackMount) = (directory, mount);
            }
        }
        return new CgroupLocation(path, fallback, fallbackMount);
    }

    private const string Memory = "memory";

    /// <summary>The cgroup's path of <c>/proc/PID/cgroup</c>, and whether it is in the v2 tree.</summary>
    public static (string Path, bool IsV2)? IdOf(ProcFs proc, int pid, string controller = Memory)
    {
        (string, bool)? unified = null;
        foreach (var line in proc.Lines(pid, "cgroup") ?? [])
        {
            var parts = line.Split(':', 3);
            if (parts.Length != 3)
                continue;
            if (parts[1].Split(',').Contains(controller))
                return (parts[2], false);
            if (parts[0] == "0" && parts[1].Length == 0)
                unified = (parts[2], true);
        }
        return unified;
    }

    private static IEnumerable<string> Candidates(string mount, string mountRoot, string path)
    {
        var relative = mountRoot == "/" ? path
            : path == mountRoot || path.StartsWith(mountRoot + "/", StringComparison.Ordinal) ? path[mountRoot.Length..]
            : null;
        if (relative is not null && !relative.Contains("/..", StringComparison.Ordinal))
            yield return Path.TrimEndingDirectorySeparator(mount + relative);
        yield return mount;
    }

    private static IEnumerable<(string Mount, string Root)> Mounts(ProcFs proc, int pid, bool isV2, string controller) =>
        ParseMounts(proc.Lines(pid, "mountinfo"), isV2, controller).Select(found => ($"{proc.Root}/{pid}/root{found.Mount}", found.Root));

    private static IEnumerable<(string Mount, string Root)> OwnMounts(ProcFs proc, bool isV2, string controller) =>
        ParseMounts(proc.Lines(Environment.ProcessId, "mountinfo"), isV2, controller);

    private static IEnumerable<(string Mount, string Root)> ParseMounts(string[]? mountinfo, bool isV2, string controller)
    {
        foreach (var line in mountinfo ?? [])
        {
            // 36 35 0:30 ROOT MOUNT options… - type source superoptions
            var separator = line.IndexOf(" - ", StringComparison.Ordinal);
            if (separator < 0)
                continue;
            var before = line[..separator].Split(' ');
            var after = line[(separator + 3)..].Split(' ');
            if (before.Length < 5 || after.Length < 3)
                continue;
            if (isV2 ? after[0] == "cgroup2" : after[0] == "cgroup" && after[2].Split(',').Contains(controller))
                yield return (Unescaped(before[4]), Unescaped(before[3]));
        }
    }

    /// <summary>The kernel writes blanks and backslashes as <c>\040</c>, <c>\134</c>; systemd's names have backslashes in them.</summary>
    private static string Unescaped(string path) => path.Contains('\\', StringComparison.Ordinal)
        ? path.Replace("\\040", " ", StringComparison.Ordinal).Replace("\\011", "\t", StringComparison.Ordinal)
            .Replace("\\012", "\n", StringComparison.Ordinal).Replace("\\134", "\\", StringComparison.Ordinal)
        : path;

    private static bool Holds(string directory, int pid)
    {
        try
        {
            var wanted = pid.ToString(CultureInfo.InvariantCulture);
            return File.ReadLines(Path.Combine(directory, "cgroup.procs")).Contains(wanted);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
