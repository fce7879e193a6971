using Premortem.Profiles.Heaps;

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
    /// <param name="Types">The types that hold the heap, for what a .NET runtime was asked.</param>
    internal sealed record Captured(long Bytes, TimeSpan? Duration = null, TypeTable? Types = null) : CaptureResult;

    /// <summary>It ended early, and what had come until then is worth keeping.</summary>
    /// <param name="Bytes">The length of what was written.</param>
    /// <param name="Reason">A word from <see cref="Contracts.Reasons"/>.</param>
    /// <param name="Detail">What is missing and why, for a person.</param>
    /// <param name="Types">The types that hold what was seen of the heap.</param>
    internal sealed record Partial(long Bytes, string Reason, string Detail, TypeTable? Types = null) : CaptureResult;

    /// <param name="Reason">A word from <see cref="Contracts.Reasons"/>.</param>
    /// <param name="Detail">What happened, for a person.</param>
    internal sealed record Failed(string Reason, string Detail) : CaptureResult;
}
