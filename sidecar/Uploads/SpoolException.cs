namespace Premortem.Sidecar.Uploads;

/// <summary>The spool could not take what was written to it.</summary>
/// <param name="reason">A word from <see cref="Contracts.Reasons"/>.</param>
internal sealed class SpoolException(string reason, string message, Exception? inner = null) : IOException(message, inner)
{
    public string Reason { get; } = reason;
}
