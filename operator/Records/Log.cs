using Premortem.Runtime;

namespace Premortem.Operator;

internal static partial class Log
{
    [LoggerMessage(3300, LogLevel.Information, "{Pod}: capture {Id} of {Container}: {Phase}, {Location}")]
    public static partial void CaptureRecorded(ILogger log, ResourceKey pod, string id, string container, Contracts.CapturePhase phase, string? location);

    [LoggerMessage(3301, LogLevel.Warning, "{Pod}: a report is refused with {Status}: {Field}: {Detail}")]
    public static partial void ReportRefused(ILogger log, ResourceKey pod, int status, string? field, string? detail);

    [LoggerMessage(3302, LogLevel.Warning, "A report cannot be written now, and its sidecar will send it again: {Reason}")]
    public static partial void ReportNotWritten(ILogger log, string reason);

    [LoggerMessage(3303, LogLevel.Error, "A report failed")]
    public static partial void ReportFailed(ILogger log, Exception exception);

    [LoggerMessage(3310, LogLevel.Information, "{Request}: asks for a capture of {Pod}")]
    public static partial void CaptureRequested(ILogger log, ResourceKey request, string pod);

    [LoggerMessage(3311, LogLevel.Warning, "{Capture}: failed: {Reason}: {Detail}")]
    public static partial void CaptureGivenUp(ILogger log, ResourceKey capture, string reason, string detail);

    [LoggerMessage(3320, LogLevel.Information, "{Pod}: the OOM kill of {Container} at {FinishedAt} has its record, {Capture}; artifact: {HasArtifact}")]
    public static partial void KillRecorded(ILogger log, ResourceKey pod, string container, DateTimeOffset finishedAt, string capture, bool hasArtifact);

    [LoggerMessage(3321, LogLevel.Warning, "{Pod}: nothing was captured of the OOM kill of {Container} at {FinishedAt}: {Reason}: {Detail}")]
    public static partial void KillWithoutCapture(ILogger log, ResourceKey pod, string container, DateTimeOffset finishedAt, string reason, string detail);

    [LoggerMessage(3322, LogLevel.Warning, "{Pod}: its sidecar was OOM-killed: give it more memory in spec.sidecar.resources of its policy")]
    public static partial void SidecarKilled(ILogger log, ResourceKey pod);

    [LoggerMessage(3323, LogLevel.Information, "{Pod}: a late report takes the place of {Placeholder}")]
    public static partial void KillSuperseded(ILogger log, ResourceKey pod, string placeholder);

    [LoggerMessage(3330, LogLevel.Information, "{Namespace}: {Count} of the oldest records are deleted, since their policies keep no more")]
    public static partial void HistoryPruned(ILogger log, string @namespace, int count);
}
