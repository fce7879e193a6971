namespace Premortem.Sidecar.Replays;

/// <summary>The end of one life of the program.</summary>
/// <param name="IsKill">By the OOM killer.</param>
/// <param name="FirstTrigger">What fired first in this life; null: nothing did.</param>
/// <param name="Warning">How long before the end that was.</param>
/// <param name="LastTrigger">What fired last.</param>
internal sealed record ReplayEnd(DateTimeOffset At, TimeSpan Elapsed, bool IsKill, string? FirstTrigger, TimeSpan Warning, string? LastTrigger, TimeSpan LastWarning);
