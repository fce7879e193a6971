namespace Premortem.Sidecar.Captures;

/// <summary>How one capture of one artifact ended.</summary>
internal abstract record CaptureResult
{
    private CaptureResult()
    {
    }

    /// <summary>The whole body was received, and is what it claims to be.</summary>
    internal sealed record Captured(long Bytes) : CaptureResult;

    /// <param name="Reason">A word from <see cref="Contracts.Reasons"/>.</param>
    /// <param name="Detail">What happened, for a person.</param>
    internal sealed record Failed(string Reason, string Detail) : CaptureResult;
}
