namespace Premortem.Sidecar.Targets;

/// <summary>Whose sockets were found.</summary>
internal enum SocketScope
{
    /// <summary>The process's own, by its file descriptors.</summary>
    Process,

    /// <summary>All of its network namespace, since its file descriptors may not be read: in a pod, those of every container.</summary>
    NetworkNamespace,
}
