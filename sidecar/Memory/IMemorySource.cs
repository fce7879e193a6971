namespace Premortem.Sidecar.Memory;

/// <summary>Where a target's memory is read: its cgroup, or its processes one by one.</summary>
internal interface IMemorySource : IDisposable
{
    /// <summary><c>cgroup v2</c>, <c>cgroup v1</c> or <c>proc</c>.</summary>
    string Name { get; }

    /// <summary>False when there is nothing to read any more: the cgroup was removed, every process is gone.</summary>
    bool TryRead(out MemoryReading reading);
}
