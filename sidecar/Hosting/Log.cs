using Microsoft.Extensions.Logging;
using Premortem.Contracts;

namespace Premortem.Sidecar.Hosting;

/// <summary>Every line that the sidecar logs. Ids are by area, never used twice, and listed in docs/reference/log-events.md.</summary>
internal static partial class Log
{
    [LoggerMessage(100, LogLevel.Information, "{Product}: watching {Scope} by policy {Policy}, storing to {Store}, spool {Spool}")]
    public static partial void Started(ILogger logger, string product, string scope, string policy, string store, string spool);

    [LoggerMessage(101, LogLevel.Information, "Stopping: {Reason}; up to {GraceSeconds} s to finish what is in flight")]
    public static partial void Stopping(ILogger logger, string reason, double graceSeconds);

    [LoggerMessage(102, LogLevel.Information, "Stopped; {Left} captures are left in the spool")]
    public static partial void Stopped(ILogger logger, int left);

    [LoggerMessage(103, LogLevel.Warning, "Policy: {Warning}")]
    public static partial void PolicyWarning(ILogger logger, string warning);

    [LoggerMessage(110, LogLevel.Information, "Following settings {Revision}: {Policies}")]
    public static partial void SettingsTaken(ILogger logger, string revision, string policies);

    [LoggerMessage(111, LogLevel.Information, "Waiting for settings: {File} {Problem}; nothing is watched until then")]
    public static partial void SettingsAwaited(ILogger logger, string file, string problem);

    [LoggerMessage(112, LogLevel.Warning, "Settings not taken: {File} {Problem}; the last ones are followed on")]
    public static partial void SettingsInvalid(ILogger logger, string file, string problem);

    [LoggerMessage(113, LogLevel.Warning, "Settings: {Warning}")]
    public static partial void SettingsWarning(ILogger logger, string warning);

    [LoggerMessage(104, LogLevel.Error, "Unexpected: {Where}")]
    public static partial void Unexpected(ILogger logger, Exception exception, string where);

    [LoggerMessage(120, LogLevel.Warning, "Short of CPU time: {Percent} % of it was lost to throttling or came late; memory is looked at less often where it is far from its ceiling")]
    public static partial void Throttled(ILogger logger, double percent);

    [LoggerMessage(200, LogLevel.Information, "{Container}: watching process {Pid} (life {Incarnation}), memory from {Source}, limit {Limit}")]
    public static partial void Watching(ILogger logger, string container, int pid, int incarnation, string source, string limit);

    [LoggerMessage(201, LogLevel.Information, "{Container}: {Runtime} {Version}, main module {Module}")]
    public static partial void RuntimeFound(ILogger logger, string container, string runtime, string? version, string? module);

    [LoggerMessage(202, LogLevel.Information, "{Container}: profiles at {Endpoint}")]
    public static partial void EndpointFound(ILogger logger, string container, string endpoint);

    [LoggerMessage(203, LogLevel.Warning, "{Container}: no profiles yet: {Reason}: {Detail}")]
    public static partial void EndpointMissing(ILogger logger, string container, string reason, string detail);

    [LoggerMessage(204, LogLevel.Warning, "{Container}: process {Pid} ended: {Outcome}: {Reason}")]
    public static partial void Ended(ILogger logger, string container, int pid, CaptureOutcome outcome, string reason);

    [LoggerMessage(205, LogLevel.Warning, "{Container}: no limit: shares of the limit and timeToLimit cannot fire; give a limit to the container, or --memory-limit")]
    public static partial void NoLimit(ILogger logger, string container);

    [LoggerMessage(206, LogLevel.Information, "{Container}: diagnostics at {Endpoint}: .NET {Version}, {Assembly}, GC {GcMode}, heap limit {HeapLimit}")]
    public static partial void DiagnosticsFound(ILogger logger, string container, string endpoint, string? version, string? assembly, string? gcMode, string heapLimit);

    [LoggerMessage(207, LogLevel.Warning, "{Port}: {Most} runtimes wait, and no more are let in")]
    public static partial void DiagnosticPortFull(ILogger logger, string port, int most);

    [LoggerMessage(208, LogLevel.Information, "{Container}: watched no more")]
    public static partial void NoLongerWatched(ILogger logger, string container);

    [LoggerMessage(300, LogLevel.Information, "{Container}: {Used} of {Ceiling} ({Percent} %), {Growth}/s, ceiling in {TimeLeft}")]
    public static partial void MemoryAt(ILogger logger, string container, string used, string ceiling, int percent, string growth, string timeLeft);

    [LoggerMessage(400, LogLevel.Warning, "{Container}: trigger {Trigger} fired: {Reason}")]
    public static partial void Fired(ILogger logger, string container, string trigger, string reason);

    [LoggerMessage(401, LogLevel.Information, "{Container}: trigger {Trigger} holds: {Reason}: {Detail}")]
    public static partial void Held(ILogger logger, string container, string trigger, string reason, string detail);

    [LoggerMessage(402, LogLevel.Information, "{Container}: trigger {Trigger} fired while a capture is under way, and is served by it: {Reason}")]
    public static partial void Joined(ILogger logger, string container, string trigger, string reason);

    [LoggerMessage(403, LogLevel.Warning, "The state of the triggers cannot be kept: {Reason}; cooldowns start anew when the sidecar does")]
    public static partial void HistoryNotKept(ILogger logger, string reason);

    [LoggerMessage(500, LogLevel.Information, "{Container}: captured {Type}, {Bytes} bytes in {Milliseconds} ms")]
    public static partial void Captured(ILogger logger, string container, string type, long bytes, long milliseconds);

    [LoggerMessage(501, LogLevel.Warning, "{Container}: no {Type}: {Reason}: {Detail}")]
    public static partial void NotCaptured(ILogger logger, string container, string type, string reason, string detail);

    [LoggerMessage(502, LogLevel.Error, "{Container}: the capture for {Trigger} failed: {Reason}: {Detail}")]
    public static partial void CaptureFailed(ILogger logger, string container, string trigger, string reason, string detail);

    [LoggerMessage(503, LogLevel.Information, "{Container}: plan for {Trigger}: {Plan}")]
    public static partial void Planned(ILogger logger, string container, string trigger, string plan);

    [LoggerMessage(520, LogLevel.Information, "{Container}: flight recorder: the first baseline has {Bytes} bytes and took {Milliseconds} ms; the next ones every {Every}")]
    public static partial void Recording(ILogger logger, string container, long bytes, long milliseconds, string every);

    [LoggerMessage(521, LogLevel.Debug, "{Container}: baseline of {Bytes} bytes in {Milliseconds} ms, for {TargetMilliseconds} ms of CPU in the target and {SidecarMilliseconds} ms here")]
    public static partial void BaselineTaken(ILogger logger, string container, long bytes, long milliseconds, long targetMilliseconds, long sidecarMilliseconds);

    [LoggerMessage(522, LogLevel.Warning, "{Container}: no baseline: {Reason}: {Detail}; it is tried again, and not told again")]
    public static partial void NoBaseline(ILogger logger, string container, string reason, string detail);

    [LoggerMessage(523, LogLevel.Information, "{Container}: baselines every {Seconds} s for now, to stay within their budget: one took {TargetMilliseconds} ms of CPU in the target and {SidecarMilliseconds} ms here")]
    public static partial void BaselinesStretched(ILogger logger, string container, double seconds, long targetMilliseconds, long sidecarMilliseconds);

    [LoggerMessage(524, LogLevel.Information, "{Container}: a baseline of {Seconds} s before goes with the capture, {Bytes} bytes")]
    public static partial void BaselineAdded(ILogger logger, string container, double seconds, long bytes);

    [LoggerMessage(701, LogLevel.Warning, "{Container}: no table of {Type} in the report: {Detail}")]
    public static partial void NoTable(ILogger logger, string container, string type, string detail);

    [LoggerMessage(600, LogLevel.Information, "Stored {Location}, {Bytes} bytes in {Milliseconds} ms")]
    public static partial void Stored(ILogger logger, string location, long bytes, long milliseconds);

    [LoggerMessage(601, LogLevel.Information, "Capture {Id} is stored at {Location}: {Phase}")]
    public static partial void CaptureStored(ILogger logger, string id, string location, CapturePhase phase);

    [LoggerMessage(602, LogLevel.Warning, "Capture {Id} cannot be stored now: {Reason}: {Detail}; it stays in the spool and is tried again")]
    public static partial void StoreFailed(ILogger logger, string id, string reason, string detail);

    [LoggerMessage(603, LogLevel.Information, "{Count} captures are left from before, and will be stored")]
    public static partial void Recovered(ILogger logger, int count);

    [LoggerMessage(605, LogLevel.Information, "{Location} can be written")]
    public static partial void StoreReachable(ILogger logger, string location);

    [LoggerMessage(606, LogLevel.Warning, "{Location} cannot be written: {Reason}: {Detail}; it is tried again")]
    public static partial void StoreUnreachable(ILogger logger, string location, string reason, string detail);

    [LoggerMessage(604, LogLevel.Warning, "Left where it is, because it cannot be understood: {Problem}")]
    public static partial void SpoolUnreadable(ILogger logger, string problem);

    [LoggerMessage(700, LogLevel.Information, "{Container}: capture {Id} complete: {Phase}, {Outcome}: {Reason}")]
    public static partial void CaptureComplete(ILogger logger, string container, string id, CapturePhase phase, CaptureOutcome? outcome, string? reason);

    [LoggerMessage(702, LogLevel.Warning, "{Container}: what {Request} asks for cannot be captured: {Reason}: {Detail}")]
    public static partial void RequestFailed(ILogger logger, string container, string request, string reason, string detail);

    [LoggerMessage(800, LogLevel.Debug, "Reported capture {Id}, report {Sequence}")]
    public static partial void Reported(ILogger logger, string id, int sequence);

    [LoggerMessage(801, LogLevel.Warning, "Cannot report now, with {Waiting} captures to tell of: {Problem}; it is tried again, and not told again")]
    public static partial void ReportFailed(ILogger logger, int waiting, string problem);

    [LoggerMessage(802, LogLevel.Warning, "The operator refuses the report of {What}, which is given up: {Problem}")]
    public static partial void ReportRefused(ILogger logger, string what, string problem);

    [LoggerMessage(803, LogLevel.Warning, "{Count} reports are given up, for want of room")]
    public static partial void ReportsGivenUp(ILogger logger, int count);

    [LoggerMessage(804, LogLevel.Warning, "Reports cannot be sent: {Problem}")]
    public static partial void ReportSettingsUnusable(ILogger logger, string problem);
}
