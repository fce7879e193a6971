using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Diagnostics;
using Premortem.Sidecar.Targets;

namespace Premortem.Sidecar;

/// <summary>What a run of the sidecar was asked to do.</summary>
/// <param name="MemoryLimitBytes">A limit given by hand, for targets whose cgroup has none, or a higher one.</param>
/// <param name="GracePeriod">How long ending may take.</param>
internal sealed record PipelineOptions(
    TargetScope Scope,
    SidecarIdentity Identity,
    long? MemoryLimitBytes,
    TimeSpan GracePeriod)
{
    /// <summary>Where .NET runtimes dial in; null: nowhere.</summary>
    public DiagnosticPortListener? DiagnosticPort { get; init; }

    /// <summary>A volume that the targets see too, where .NET runtimes can write dumps; null: none.</summary>
    public DumpFolder? Dumps { get; init; }
}
