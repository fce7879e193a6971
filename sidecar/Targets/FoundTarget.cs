namespace Premortem.Sidecar.Targets;

/// <summary>A container, or what stands for one: processes that share a cgroup.</summary>
/// <param name="Key">Stays the same through restarts of the container.</param>
/// <param name="Container">Its name, for people and keys.</param>
/// <param name="Pids">Its processes.</param>
/// <param name="Cgroup">Where its memory is read; null where no cgroup is known.</param>
internal sealed record FoundTarget(string Key, string Container, IReadOnlyList<int> Pids, CgroupLocation? Cgroup);
