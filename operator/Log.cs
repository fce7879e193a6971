namespace Premortem.Operator;

/// <summary>Every line that the operator logs. Ids are by area, never used twice, and listed in docs/reference/log-events.md.</summary>
internal static partial class Log
{
    [LoggerMessage(3000, LogLevel.Information, "{Product}: starting in namespace {Namespace}; options from {File}: {@Options}")]
    public static partial void Starting(ILogger logger, string product, string @namespace, string file, IReadOnlyDictionary<string, string> options);

    [LoggerMessage(3001, LogLevel.Information, "Connected to {Server}, Kubernetes {Version}")]
    public static partial void Connected(ILogger logger, string server, string version);

    [LoggerMessage(3002, LogLevel.Information, "Listening: health and metrics on port {HttpPort}, webhooks and reports on port {HttpsPort}")]
    public static partial void Listening(ILogger logger, int httpPort, int httpsPort);

    [LoggerMessage(3003, LogLevel.Information, "Ready after {Seconds} s: {Policies} policies, {Pods} pods")]
    public static partial void Ready(ILogger logger, double seconds, int policies, int pods);

    [LoggerMessage(3004, LogLevel.Information, "This replica leads")]
    public static partial void Leading(ILogger logger);

    [LoggerMessage(3005, LogLevel.Information, "Stopping: {Reason}; reviews and reports are answered for {DrainSeconds} s longer")]
    public static partial void Stopping(ILogger logger, string reason, double drainSeconds);

    [LoggerMessage(3006, LogLevel.Information, "Stopped")]
    public static partial void Stopped(ILogger logger);

    [LoggerMessage(3007, LogLevel.Critical, "Ending: {Part} has failed")]
    public static partial void Failed(ILogger logger, Exception exception, string part);

    [LoggerMessage(3008, LogLevel.Error, "Ending: the lead is lost: {Reason}")]
    public static partial void LeadLost(ILogger logger, string reason);

    [LoggerMessage(3009, LogLevel.Warning, "{What} does not succeed yet: {Reason}; it is tried again")]
    public static partial void NotYet(ILogger logger, string what, string reason);

    [LoggerMessage(3010, LogLevel.Warning, "Not ready: {Missing}")]
    public static partial void NotReady(ILogger logger, string missing);

    [LoggerMessage(3011, LogLevel.Information, "Sidecars are injected as {Kind} containers")]
    public static partial void SidecarKind(ILogger logger, string kind);

    [LoggerMessage(3020, LogLevel.Information, "{Namespace}/{Pod}: injected, by {Policies}; dry run: {IsDryRun}")]
    public static partial void Injected(ILogger logger, string @namespace, string pod, string policies, bool isDryRun);

    [LoggerMessage(3021, LogLevel.Information, "{Namespace}/{Pod}: no sidecar: {Reason}: {Detail}")]
    public static partial void Skipped(ILogger logger, string @namespace, string pod, string reason, string detail);

    [LoggerMessage(3022, LogLevel.Warning, "{Namespace}/{Pod}: let through without a look: {Reason}: {Detail}")]
    public static partial void LetThrough(ILogger logger, string? @namespace, string pod, string reason, string detail);

    [LoggerMessage(3023, LogLevel.Error, "{Namespace}/{Pod}: let through without a sidecar, because the operator failed")]
    public static partial void InjectionFailed(ILogger logger, Exception exception, string? @namespace, string pod);

    [LoggerMessage(3024, LogLevel.Error, "A review of {Kind} {Name} failed; it was let through")]
    public static partial void ValidationFailed(ILogger logger, Exception exception, string? kind, string? name);

    [LoggerMessage(3200, LogLevel.Information, "{Kind} {Policy}: {Ready}, {Matched} pods matched, {Injected} injected")]
    public static partial void StatusWritten(ILogger logger, string kind, string policy, string ready, int matched, int injected);

    [LoggerMessage(3201, LogLevel.Information, "{Pod}: settings {Revision} written, for {Policies}")]
    public static partial void SettingsWritten(ILogger logger, string pod, string revision, string policies);
}
