using Premortem.Contracts;

namespace Premortem.Cli.Pods;

/// <summary>A container that is watched.</summary>
/// <param name="Target">What the sidecar found; null: nothing yet, or it has not told.</param>
/// <param name="UsedBytes">The last that is known of its memory; null: nothing.</param>
/// <param name="UsedFrom">Who says so, and when.</param>
/// <param name="Triggers">The one that would fire next first.</param>
internal sealed record ContainerExplanation(
    string Name, TargetStatus? Target, long? LimitBytes, long? CeilingBytes, long? UsedBytes, string UsedFrom, IReadOnlyList<TriggerView> Triggers);
