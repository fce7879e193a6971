using Premortem.Contracts;
using Premortem.Operator.Policies;

namespace Premortem.Operator.Injection;

/// <summary>Makes the content of the annotation <see cref="Names.ConfigAnnotation"/>, at injection and whenever a policy changes.</summary>
internal static class SettingsBuilder
{
    /// <param name="policies">Those that select the pod, the one that wins first.</param>
    /// <param name="current">
    /// What the pod has now, or null. Of a policy that is invalid now, what stands there stays: the last good one.
    /// </param>
    /// <returns>The JSON, the same for the same input to the last byte.</returns>
    public static string Build(IReadOnlyList<PolicyView> policies, PodFacts pod, string? current, IReadOnlyList<RequestedCapture> requests, ReportSettings? report) =>
        throw new NotImplementedException();
}

/// <summary>What of a pod goes into its sidecar's settings.</summary>
internal sealed record PodFacts(IReadOnlyList<ContainerSettings> Containers, bool EndsWithTargets);
