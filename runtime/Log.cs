using Microsoft.Extensions.Logging;

namespace Premortem.Runtime;

/// <summary>What the runtime logs: ids 3400 to 3499, never reused, listed in docs/reference/log-events.md.</summary>
internal static partial class Log
{
    [LoggerMessage(3400, LogLevel.Information, "{Type}: {Count} objects")]
    public static partial void Synced(ILogger log, string type, int count);

    [LoggerMessage(3401, LogLevel.Information, "{Type}: listed anew, {Count} objects")]
    public static partial void Relisted(ILogger log, string type, int count);

    [LoggerMessage(3402, LogLevel.Warning, "{Type}: not watched now: {Problem}; tried again in {Seconds:0.0} s")]
    public static partial void WatchFailed(ILogger log, string type, string problem, double seconds);

    [LoggerMessage(3403, LogLevel.Warning, "{Type}: the API server does not know this type; apply its CustomResourceDefinition (crds/); it is tried again, and not told again")]
    public static partial void TypeMissing(ILogger log, string type);

    [LoggerMessage(3404, LogLevel.Warning, "{Type} {Key} cannot be read and is left out: {Problem}")]
    public static partial void Unreadable(ILogger log, string type, string key, string problem);

    [LoggerMessage(3405, LogLevel.Error, "{Type} {Key}: a handler of its change failed")]
    public static partial void HandlerFailed(ILogger log, string type, string key, Exception e);

    [LoggerMessage(3410, LogLevel.Warning, "{Controller} {Key}: failed, and is tried again")]
    public static partial void ReconcileFailed(ILogger log, string controller, string key, Exception e);

    [LoggerMessage(3411, LogLevel.Warning, "{Controller} {Key}: waits for the next change: {Problem}")]
    public static partial void ReconcileTerminal(ILogger log, string controller, string key, string problem);

    [LoggerMessage(3412, LogLevel.Warning, "{Controller} {Key}: not done within {Seconds} s, and is tried again")]
    public static partial void ReconcileTimedOut(ILogger log, string controller, string key, double seconds);

    [LoggerMessage(3413, LogLevel.Debug, "{Controller} {Key}: changed by somebody else in between, and is tried again: {Problem}")]
    public static partial void ReconcileConflict(ILogger log, string controller, string key, string problem);

    [LoggerMessage(3414, LogLevel.Information, "{Controller} {Key}: given up, since the program stops")]
    public static partial void ReconcileStopped(ILogger log, string controller, string key);

    [LoggerMessage(3420, LogLevel.Information, "{Lease}: {Identity} leads")]
    public static partial void Leads(ILogger log, string lease, string identity);

    [LoggerMessage(3421, LogLevel.Error, "{Lease}: {Identity} leads no longer")]
    public static partial void LeadLost(ILogger log, string lease, string identity);

    [LoggerMessage(3422, LogLevel.Information, "{Lease}: {Identity} has given it away")]
    public static partial void Released(ILogger log, string lease, string identity);

    [LoggerMessage(3423, LogLevel.Warning, "{Lease}: not read or written: {Problem}; it is tried again")]
    public static partial void LeaseFailed(ILogger log, string lease, string problem);

    [LoggerMessage(3430, LogLevel.Warning, "{Object}: event {Reason} not written: {Problem}")]
    public static partial void EventDropped(ILogger log, string @object, string reason, string problem);

    [LoggerMessage(3440, LogLevel.Information, "Secret {Secret}: {Change} of the webhooks' authority: {Reason}")]
    public static partial void AuthorityChanged(ILogger log, string secret, string change, string reason);

    [LoggerMessage(3441, LogLevel.Information, "{Webhook}: its caBundle is the webhooks' authority now")]
    public static partial void BundleInjected(ILogger log, string webhook);

    [LoggerMessage(3442, LogLevel.Warning, "{Webhook} is missing; the chart makes it; it is looked for again, and not told again")]
    public static partial void WebhookMissing(ILogger log, string webhook);

    [LoggerMessage(3443, LogLevel.Information, "A webhook certificate until {Until:u}: {Reason}")]
    public static partial void CertificateIssued(ILogger log, DateTime until, string reason);

    [LoggerMessage(3444, LogLevel.Warning, "The webhooks' certificates are not looked after now: {Problem}; tried again in {Seconds:0.0} s")]
    public static partial void CertificatesFailed(ILogger log, string problem, double seconds);

    [LoggerMessage(3445, LogLevel.Information, "{Folder}: a webhook certificate until {Until:u}")]
    public static partial void CertificateRead(ILogger log, string folder, DateTime until);

    [LoggerMessage(3446, LogLevel.Error, "{Folder}: tls.crt and tls.key cannot be read: {Problem}; they are tried again, and the last good ones stay")]
    public static partial void CertificateUnreadable(ILogger log, string folder, string problem);
}
