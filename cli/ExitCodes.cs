namespace Premortem.Cli;

/// <summary>How the program ends; docs/reference/cli.md has them for users.</summary>
internal static class ExitCodes
{
    internal const int Ok = 0;

    /// <summary>What was asked for could not be done.</summary>
    internal const int Failed = 1;

    /// <summary>What was asked for was not understood.</summary>
    internal const int Usage = 2;
}
