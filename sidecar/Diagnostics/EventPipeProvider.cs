namespace Premortem.Sidecar.Diagnostics;

/// <param name="Name"><c>Microsoft-Windows-DotNETRuntime</c> and the like.</param>
/// <param name="Keywords">Which of its events.</param>
/// <param name="Level">1 critical to 5 verbose.</param>
/// <param name="Arguments"><c>key=value;…</c>; empty for none.</param>
internal sealed record EventPipeProvider(string Name, ulong Keywords, uint Level, string Arguments = "")
{
    public const string Runtime = "Microsoft-Windows-DotNETRuntime";
    public const string Rundown = "Microsoft-Windows-DotNETRuntimeRundown";
    public const string SampleProfiler = "Microsoft-DotNETCore-SampleProfiler";
}
