namespace Premortem.Sidecar.Recorder;

/// <summary>What one baseline has cost.</summary>
/// <param name="Target">CPU time of the target beyond what it would have spent anyway.</param>
/// <param name="Sidecar">CPU time of this process.</param>
internal readonly record struct BaselineCost(TimeSpan Target, TimeSpan Sidecar);
