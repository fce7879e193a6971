namespace Premortem.Sidecar.Captures;

/// <summary>How one capture of one artifact ended.</summary>
internal abstract record CaptureResult
{
    private CaptureResult()
    {
    }

    /// <summary>The whole body was received, and is what it claims to be.</summary>
    /// <param name="Bytes">The length of what was written.</param>
    /// <param name="Duration">How long the target was asked to record, which may be less than was wanted; null for what takes no time.</param>
    internal sealed record Captured(long Bytes, TimeSpan? Duration = null) : CaptureResult;

    /// <param name="Reason">A word from <see cref="Contracts.Reasons"/>.</param>
    /// <param name="Detail">What happened, for a person.</param>
    internal sealed record Failed(string Reason, string Detail) : CaptureResult;
}
