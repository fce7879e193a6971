namespace Premortem.Contracts;

/// <summary>The words for why something did not happen, used alike in manifests, logs, events, conditions and metrics.</summary>
public static class Reasons
{
    public const string TargetExited = nameof(TargetExited);
    public const string TargetNotResponding = nameof(TargetNotResponding);
    public const string EndpointNotFound = nameof(EndpointNotFound);
    public const string EndpointRefused = nameof(EndpointRefused);
    public const string DiagnosticsDisabled = nameof(DiagnosticsDisabled);
    public const string NotSupportedByRuntime = nameof(NotSupportedByRuntime);
    public const string NotTraced = nameof(NotTraced);
    public const string LogNotReadable = nameof(LogNotReadable);
    public const string InvalidContent = nameof(InvalidContent);
    public const string TooLarge = nameof(TooLarge);
    public const string TimedOut = nameof(TimedOut);
    public const string NotEnoughTime = nameof(NotEnoughTime);
    public const string NotEnoughHeadroom = nameof(NotEnoughHeadroom);
    public const string StillRecording = nameof(StillRecording);
    public const string SpoolFull = nameof(SpoolFull);
    public const string DiskFull = nameof(DiskFull);
    public const string Interrupted = nameof(Interrupted);
    public const string AccessDenied = nameof(AccessDenied);
    public const string Cooldown = nameof(Cooldown);
    public const string MaxPerDay = nameof(MaxPerDay);
    public const string NotRearmed = nameof(NotRearmed);
    public const string StoreUnreachable = nameof(StoreUnreachable);
    public const string StoreRefused = nameof(StoreRefused);
    public const string BucketNotFound = nameof(BucketNotFound);
    public const string ContentMismatch = nameof(ContentMismatch);
    public const string Unexpected = nameof(Unexpected);
}
