using System.Globalization;
using k8s.Models;
using Premortem.Contracts;

namespace Premortem.EndToEnd.Tests;

/// <summary>A pod, as a user sees it with kubectl.</summary>
public sealed class PodView(V1Pod pod)
{
    public V1Pod Pod { get; } = pod;

    public string Name => Pod.Metadata.Name;

    public string Phase => Pod.Status?.Phase ?? "Unknown";

    public bool IsDeleting => Pod.Metadata.DeletionTimestamp is not null;

    /// <summary>Whether it has the sidecar, native or classic.</summary>
    public bool IsInjected => Sidecar is not null;

    public V1Container? Sidecar =>
        (Pod.Spec.InitContainers ?? []).Concat(Pod.Spec.Containers).FirstOrDefault(container => container.Name == Names.SidecarContainer);

    public bool IsReady() => !IsDeleting && (Pod.Status?.Conditions ?? []).Any(condition => condition is { Type: "Ready", Status: "True" });

    public V1ContainerStatus? Container(string name) =>
        (Pod.Status?.InitContainerStatuses ?? []).Concat(Pod.Status?.ContainerStatuses ?? []).FirstOrDefault(status => status.Name == name);

    public int Restarts(string container) => Container(container)?.RestartCount ?? 0;

    public bool IsRunning(string container) => Container(container)?.State?.Running is not null;

    /// <summary>How a container's last life ended; null where it still has its first.</summary>
    public V1ContainerStateTerminated? LastEnd(string container) =>
        Container(container) is { } status ? status.State?.Terminated ?? status.LastState?.Terminated : null;

    public bool WasOomKilled(string container) => LastEnd(container) is { Reason: "OOMKilled" };

    public override string ToString() => string.Join(
        "; ",
        (Pod.Status?.InitContainerStatuses ?? []).Concat(Pod.Status?.ContainerStatuses ?? []).Select(status => string.Create(
            CultureInfo.InvariantCulture,
            $"{status.Name} {(status.State?.Running is not null ? "runs" : status.State?.Waiting?.Reason ?? status.State?.Terminated?.Reason)} {status.State?.Waiting?.Message}, {status.RestartCount} restarts, last end {status.LastState?.Terminated?.Reason} {status.LastState?.Terminated?.ExitCode}"))
        .Prepend($"{Name} {Phase}"));
}
