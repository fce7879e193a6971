namespace Premortem.Sidecar.Hosting;

/// <summary>How the program ends; documented in docs/reference/sidecar.md.</summary>
internal static class ExitCodes
{
    /// <summary>Ended as asked, or with its target, and everything captured is stored.</summary>
    public const int Done = 0;

    /// <summary>A mistake of the program's own.</summary>
    public const int Unexpected = 1;

    /// <summary>The command line or the policy is wrong.</summary>
    public const int Usage = 2;

    /// <summary>There is nothing to watch: no such process, no such cgroup.</summary>
    public const int NoTarget = 3;

    /// <summary>The spool or the store cannot be used at all.</summary>
    public const int CannotStore = 4;

    /// <summary>Ended, with captures left in the spool; they are stored when the sidecar starts again.</summary>
    public const int LeftInSpool = 5;
}
