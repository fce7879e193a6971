using Premortem.Contracts;

namespace Premortem.Sidecar;

/// <summary>Where this sidecar runs: what every key in the store starts with. From the environment, with what a host has in its place.</summary>
/// <param name="Workload">The Deployment, StatefulSet, …; null: the container's name stands for it.</param>
internal sealed record SidecarIdentity(string Namespace, string? Workload, string Pod, string? Node)
{
    public static SidecarIdentity FromEnvironment(string? policyNamespace) => new(
        Environment.GetEnvironmentVariable(Names.NamespaceVariable) ?? policyNamespace ?? "default",
        Environment.GetEnvironmentVariable(Names.WorkloadVariable),
        Environment.GetEnvironmentVariable(Names.PodVariable) ?? Environment.MachineName,
        Environment.GetEnvironmentVariable(Names.NodeVariable));
}
