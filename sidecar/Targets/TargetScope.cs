namespace Premortem.Sidecar.Targets;

/// <summary>Which processes are watched.</summary>
internal abstract record TargetScope
{
    private TargetScope()
    {
    }

    /// <summary>One process, until it ends.</summary>
    internal sealed record Process(int Pid) : TargetScope;

    /// <summary>Every process in a cgroup and below it, for as long as the cgroup is there.</summary>
    internal sealed record Cgroup(string Directory) : TargetScope;

    /// <summary>The other containers of this pod, through the shared PID namespace.</summary>
    internal sealed record Pod : TargetScope;
}
