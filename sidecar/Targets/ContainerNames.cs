using Premortem.Contracts;

namespace Premortem.Sidecar.Targets;

/// <summary>
/// Which container a process belongs to, as far as it can be told without asking Kubernetes: the kubelet mounts a file of each container's own
/// folder, <c>…/pods/UID/containers/NAME/ID</c>, into it as its termination log, which stands in the process's mounts.
/// </summary>
internal static class ContainerNames
{
    /// <summary>The name; null where neither the mounts nor the environment of the process say it, or may not be read.</summary>
    /// <param name="known">The names of the pod's containers: then the kernel's word goes before the program's. Empty: they are not known.</param>
    public static string? Of(ProcFs proc, int pid, IReadOnlyList<string> known)
    {
        if (known.Count == 0)
            return proc.EnvironmentVariable(pid, Names.ContainerVariable) ?? OfMounts(proc.Lines(pid, "mountinfo"));
        return Known(OfMounts(proc.Lines(pid, "mountinfo"))) ?? Known(proc.EnvironmentVariable(pid, Names.ContainerVariable));

        string? Known(string? name) => name is not null && known.Contains(name) ? name : null;
    }

    internal static string? OfMounts(string[]? mountinfo)
    {
        foreach (var line in mountinfo ?? [])
        {
            // 36 35 0:30 ROOT MOUNT options…; the root is the path within the file system that is mounted, wherever that stands on the node.
            if (line.Split(' ', 6) is not [_, _, _, var root, _, ..] || root.Split('/') is not [.., "pods", { Length: > 0 }, "containers", { Length: > 0 } name, { Length: > 0 }])
                continue;
            return name;
        }
        return null;
    }
}
