namespace Premortem.Operator.Records;

/// <summary>
/// The words of records: reasons of events, of conditions and of kills without a capture. Described in docs/reference/records.md.
/// What goes wrong inside a capture has the words of <see cref="Contracts.Reasons"/>.
/// </summary>
internal static class RecordReasons
{
    // What happened to a capture: events, and reasons of the condition Complete.
    public const string CaptureStarted = nameof(CaptureStarted);
    public const string CaptureCompleted = nameof(CaptureCompleted);
    public const string CapturePartial = nameof(CapturePartial);
    public const string CaptureFailed = nameof(CaptureFailed);
    public const string CaptureStored = nameof(CaptureStored);
    public const string Capturing = nameof(Capturing);
    public const string NotStored = nameof(NotStored);

    // What became of a request.
    public const string Queued = nameof(Queued);
    public const string Waiting = nameof(Waiting);
    public const string InvalidRequest = nameof(InvalidRequest);
    public const string PodNotFound = nameof(PodNotFound);
    public const string PodNotInjected = nameof(PodNotInjected);
    public const string ContainerUnknown = nameof(ContainerUnknown);
    public const string PodEnded = nameof(PodEnded);
    public const string NoAnswer = nameof(NoAnswer);

    // Why there is nothing of a kill.
    public const string OOMKilledWithoutCapture = nameof(OOMKilledWithoutCapture);
    public const string SettingsInvalid = nameof(SettingsInvalid);
    public const string SidecarOOMKilled = nameof(SidecarOOMKilled);
    public const string SidecarRestarted = nameof(SidecarRestarted);
    public const string SidecarNotReady = nameof(SidecarNotReady);
    public const string SidecarSilent = nameof(SidecarSilent);
    public const string NotWatched = nameof(NotWatched);
    public const string StorageUnreachable = nameof(StorageUnreachable);
    public const string NoReport = nameof(NoReport);
}
