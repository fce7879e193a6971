using Premortem.Contracts;

namespace Premortem.Operator.Injection;

/// <summary>What keeps the sidecar out of a pod, whatever the policies say.</summary>
internal static class PodExclusions
{
    private static readonly string[] SystemNamespaces = ["kube-system", "kube-public", "kube-node-lease"];

    /// <summary>The first that holds; null: nothing does.</summary>
    public static Exclusion? Find(PodView pod, NamespaceView @namespace, InjectorOptions options)
    {
        if (SystemNamespaces.Contains(@namespace.Name) || @namespace.Name == options.OperatorNamespace)
            return new(SkipReasons.ExcludedNamespace, $"nothing is injected in the namespace {@namespace.Name}", false);
        if (options.ExcludedNamespaces.Contains(@namespace.Name))
            return new(SkipReasons.ExcludedNamespace, $"the operator's configuration excludes the namespace {@namespace.Name}: take it out of excludedNamespaces");
        if (IsFalse(@namespace.Labels.GetValueOrDefault(Names.InjectAnnotation)))
            return new(SkipReasons.ExcludedNamespace, $"the namespace {@namespace.Name} has the label {Names.InjectAnnotation}: \"false\": take it away");
        if (IsFalse(pod.Annotations.GetValueOrDefault(Names.InjectAnnotation)) || IsFalse(pod.Labels.GetValueOrDefault(Names.InjectAnnotation)))
            return new(SkipReasons.OptedOut, $"the pod says {Names.InjectAnnotation}: \"false\": take it away from the pod's template", false);
        if (pod.Annotations.ContainsKey("kubernetes.io/config.mirror") || (pod.Annotations.GetValueOrDefault("kubernetes.io/config.source") ?? "api") != "api")
            return new(SkipReasons.MirrorPod, "a static pod is the kubelet's: its file on the node is the place for a sidecar", false);
        if (pod.SidecarContainer is { } sidecar)
            return IsOurs(sidecar, pod, options)
                ? new(SkipReasons.AlreadyInjected, "the pod has the sidecar", false)
                : new(SkipReasons.NameTaken, $"a container of the pod's own is called {Names.SidecarContainer}: call it otherwise");
        if (IsWindows(pod))
            return new(SkipReasons.Windows, "the sidecar is for Linux");
        if (pod.Spec.Flag("hostPID") == true)
            return new(SkipReasons.HostProcessNamespace, "spec.hostPID is true: a sidecar would see every process of the node; run premortem-sidecar on the host instead");
        if (pod.Spec.Flag("shareProcessNamespace") == false)
            return new(SkipReasons.ProcessNamespaceNotShared, "spec.shareProcessNamespace is false, and the sidecar has to see the processes that it watches: take the field away");
        return null;
    }

    /// <summary>By its label; by its image, or what it is told to read, for a pod that was copied without.</summary>
    private static bool IsOurs(ContainerView container, PodView pod, InjectorOptions options) =>
        pod.Labels.GetValueOrDefault(Names.InjectedLabel) == "true"
        || container.Fields.Text("image") == options.SidecarImage
        || container.Fields.Texts("args").Contains(Names.ConfigFile);

    private static bool IsFalse(string? value) => bool.TryParse(value, out var injects) && !injects;

    private static bool IsWindows(PodView pod)
    {
        if (pod.Spec.Child("os")?.Text("name") == "windows")
            return true;
        var nodes = pod.Spec.Map("nodeSelector");
        return nodes.GetValueOrDefault("kubernetes.io/os") == "windows" || nodes.GetValueOrDefault("beta.kubernetes.io/os") == "windows"
            || pod.Spec.Child("securityContext")?.Child("windowsOptions")?.Flag("hostProcess") == true;
    }
}

/// <param name="Reason">One word from <see cref="SkipReasons"/>.</param>
internal sealed record Exclusion(string Reason, string Detail, bool IsWorthTelling = true);
