namespace Premortem.Cli;

/// <summary>A verb could not do what it was asked; the message is all that the user reads.</summary>
/// <param name="exitCode">One of <see cref="ExitCodes"/>.</param>
internal sealed class VerbException(string message, int exitCode = ExitCodes.Failed, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;

    internal static VerbException Usage(string message) => new(message, ExitCodes.Usage);
}
