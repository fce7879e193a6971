namespace Premortem.Operator.Hosting;

/// <summary>How the program ends; documented in docs/reference/operator.md.</summary>
internal static class ExitCodes
{
    /// <summary>Ended as asked; <c>check</c>: nothing is missing.</summary>
    public const int Done = 0;

    /// <summary>A mistake of the program's own; <c>check</c>: something is missing.</summary>
    public const int Failed = 1;

    /// <summary>The command line, the environment or the configuration file is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Another replica leads, or may: this one has to start anew.</summary>
    public const int LeadershipLost = 3;
}
