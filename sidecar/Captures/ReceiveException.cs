namespace Premortem.Sidecar.Captures;

/// <summary>A body did not come as it should have; never thrown beyond this folder.</summary>
/// <param name="reason">A word from <see cref="Contracts.Reasons"/>.</param>
/// <param name="message">What happened, for a person.</param>
/// <param name="isCut">Whether the connection ended early, as it does when the target dies.</param>
internal sealed class ReceiveException(string reason, string message, bool isCut = false, Exception? inner = null) : Exception(message, inner)
{
    public string Reason { get; } = reason;

    public bool IsCut { get; } = isCut;
}
