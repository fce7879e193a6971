namespace Premortem.Sidecar.Captures;

/// <summary>What one way of capturing has cost this target before.</summary>
/// <param name="Time">How long it took, less the duration that it was asked to record.</param>
/// <param name="Bytes">The length of what was written.</param>
/// <param name="RiseBytes">By how much it raised the target's memory; null: never seen in peace.</param>
internal sealed record MeasuredCost(TimeSpan Time, long Bytes, long? RiseBytes);
