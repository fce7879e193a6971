namespace Premortem.Sidecar.Diagnostics;

/// <summary>A diagnostics server that could not be reached, did not answer, or refused.</summary>
/// <param name="reason">A word from <see cref="Contracts.Reasons"/>.</param>
internal sealed class DiagnosticsException(string reason, string message, Exception? inner = null) : Exception(message, inner)
{
    public string Reason { get; } = reason;

    /// <summary>The runtime's own error code, where it answered with one.</summary>
    public uint? ErrorCode { get; init; }
}
