using System.Globalization;
using System.Text.Json.Nodes;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Operator.Policies;

namespace Premortem.Operator.Injection;

/// <summary>Which pods get a sidecar, and what it looks like. Pure: the same input gives the same patch. See docs/reference/injection.md.</summary>
internal static class PodInjector
{
    /// <summary>What the API server allows the annotations of one object to hold.</summary>
    private const int MostAnnotationBytes = 256 * 1024;

    /// <param name="pod">As the server sent it; fields that nobody knows stay what they are.</param>
    /// <param name="policies">All policies of the cluster that could select the pod: of its namespace, and cluster-wide ones.</param>
    public static InjectionDecision Decide(JsonObject pod, NamespaceView @namespace, IReadOnlyList<PolicyView> policies, InjectorOptions options)
    {
        IReadOnlyList<PolicyView> selecting = [];
        try
        {
            var view = new PodView(pod);
            selecting = PolicySelector.Select(view.Labels, @namespace, policies);
            return Decide(view, @namespace, selecting, options);
        }
        catch (MalformedPodException malformed)
        {
            return new InjectionDecision.Skip(SkipReasons.MalformedPod, malformed.Message, selecting.Count > 0, selecting);
        }
    }

    private static InjectionDecision Decide(PodView pod, NamespaceView @namespace, IReadOnlyList<PolicyView> selecting, InjectorOptions options)
    {
        InjectionDecision.Skip Skip(string reason, string detail, bool isWorthTelling = true) => new(reason, detail, isWorthTelling, selecting);

        if (selecting.Count == 0)
            return Skip(SkipReasons.NoPolicy, "no policy selects the pod", isWorthTelling: false);
        if (PodExclusions.Find(pod, @namespace, options) is { } exclusion)
            return Skip(exclusion.Reason, exclusion.Detail, exclusion.IsWorthTelling);
        var valid = selecting.Where(policy => policy.IsValid).ToArray();
        if (valid.Length == 0)
            return Skip(SkipReasons.InvalidPolicy, WhatIsWrong(selecting[0]));
        if (FirstThatSays(valid, "shareProcessNamespace") is { Sidecar.ShareProcessNamespace: false } unshared)
            return Skip(SkipReasons.ProcessNamespaceNotShared, $"sidecar.shareProcessNamespace of {unshared.FullName} is false, and the sidecar has to see the processes that it watches: take the field away");
        var watched = WatchedContainer.In(pod, valid);
        if (watched.Count == 0)
            return Skip(SkipReasons.NoContainer, $"{string.Join(", ", valid.Select(policy => policy.FullName))} names containers {string.Join(", ", valid.SelectMany(policy => policy.Reading.Policy!.Spec.Containers).Distinct())}, and the pod has {string.Join(", ", pod.Containers.Select(container => container.Name))}");

        var warnings = selecting.Where(policy => !policy.IsValid).Select(WhatIsWrong).ToList();
        if (valid.Length > SettingsBuilder.MostPolicies)
            warnings.Add(string.Create(CultureInfo.InvariantCulture, $"{valid.Length} policies select the pod, and the first {SettingsBuilder.MostPolicies} of them count"));
        var isNative = IsNative(valid, options, warnings);
        var spoolBytes = SettingsBuilder.SpoolBytes(valid);
        var settings = SettingsBuilder.Build(valid, PodFacts.Of(pod, valid, isNative) with { SpoolBytes = spoolBytes }, null, [], options.Report);
        var names = string.Join(',', valid.Select(policy => policy.FullName));
        if (AnnotationBytes(pod, settings, names) is var bytes and > MostAnnotationBytes)
            return Skip(SkipReasons.SettingsTooLarge, string.Create(CultureInfo.InvariantCulture, $"with {valid.Length} policies on it the pod's annotations would hold {bytes} bytes, and {MostAnnotationBytes} are allowed: let fewer policies select it"));

        var patch = new PodPatch(pod);
        patch.SetLabel(Names.InjectedLabel, "true");
        patch.SetAnnotation(Names.PoliciesAnnotation, names);
        patch.SetAnnotation(Names.ConfigAnnotation, settings);
        if (pod.Spec.Flag("shareProcessNamespace") is null)
            patch.Set("/spec/shareProcessNamespace", true);

        var sidecar = new SidecarContainer(pod, patch);
        sidecar.AddSettings();
        if (options.Report is not null)
        {
            // A server that gives no pod an account by itself refuses a pod that wants a token of none.
            if ((pod.Spec.Text("serviceAccountName") ?? pod.Spec.Text("serviceAccount")) is { Length: > 0 })
                sidecar.AddToken();
            else
                warnings.Add("the pod has no service account, and so no token with which the sidecar could report: captures are stored, and no ProfileCapture is made; set spec.serviceAccountName");
        }
        sidecar.AddSpool(spoolBytes);
        AddStorage(sidecar, watched, warnings);
        var connected = watched.Where(target => DotNetTargets.Connect(target, sidecar.SharedVolume, patch, warnings)).ToArray();
        if (connected.Length > 0)
            sidecar.AddShared();
        foreach (var target in watched)
            GoTargets.Trace(target, patch, warnings);

        SidecarUser.Warn(pod, watched, warnings);
        WarnOfMissingLimits(pod, watched, warnings);
        var diskBytes = SidecarContainer.VolumeBytes(spoolBytes) + connected.Sum(target => DumpBytes(pod, target));
        var container = sidecar.Build(
            options,
            SidecarUser.SecurityContext(pod, watched[0].Container),
            SidecarResources.For(pod, FirstThatSays(valid, "resources"), options, diskBytes, warnings),
            isNative,
            hasDotNet: connected.Length > 0);
        // At the end of either list: kubectl takes the first container for the main one; and of native sidecars the last is the first to
        // be ended, while a mesh's proxy is still there to upload through.
        patch.Append(pod.Spec, "/spec", isNative ? "initContainers" : "containers", container);
        return new InjectionDecision.Inject(patch.Operations, valid, warnings);
    }

    private static bool IsNative(IReadOnlyList<PolicyView> policies, InjectorOptions options, List<string> warnings)
    {
        switch (FirstThatSays(policies, "mode"))
        {
            case { Sidecar.Mode: SidecarMode.Classic }:
                return false;
            case { Sidecar.Mode: SidecarMode.Native } policy when !options.ServerHasNativeSidecars:
                // An older kubelet would wait for it to end before it starts the pod.
                warnings.Add($"sidecar.mode of {policy.FullName} is Native, and a node of this cluster knows no native sidecars (Kubernetes 1.29): it is a classic container");
                return false;
            default:
                return options.ServerHasNativeSidecars;
        }
    }

    /// <summary>One sidecar has one set of credentials: those of the first container's policy.</summary>
    private static void AddStorage(SidecarContainer sidecar, IReadOnlyList<WatchedContainer> watched, List<string> warnings)
    {
        var secret = (watched[0].Policy.Spec.Storage as S3Storage)?.CredentialsSecret;
        if (secret is not null)
            sidecar.AddCredentials(secret);
        foreach (var target in watched)
            switch (target.Policy.Spec.Storage)
            {
                case DirectoryStorage directory:
                    sidecar.AddDirectory(directory.Path, target.Container, warnings);
                    break;
                case S3Storage s3 when s3.CredentialsSecret != secret:
                    warnings.Add($"container {target.Name} stores with {Shown(s3.CredentialsSecret)}, and the sidecar has {Shown(secret)}, as {watched[0].Name} needs");
                    break;
            }

        static string Shown(string? secret) => secret is null ? "the pod's own identity" : $"the Secret {secret}";
    }

    private static void WarnOfMissingLimits(PodView pod, IReadOnlyList<WatchedContainer> watched, List<string> warnings)
    {
        foreach (var target in watched)
            if (LimitOf(pod, target) is null && target.Policy.Spec.Triggers.All(NeedsLimit))
                warnings.Add($"container {target.Name} has no memory limit: {string.Join(", ", target.Policy.Spec.Triggers.Select(trigger => trigger.Name))} can never fire; set resources.limits.memory");
    }

    private static bool NeedsLimit(Trigger trigger) => trigger is TimeToLimitTrigger or MemoryUsageTrigger { Threshold.Bytes: null };

    /// <summary>A dump holds what its process does, and a little.</summary>
    private static long DumpBytes(PodView pod, WatchedContainer target) => LimitOf(pod, target) is { } limit and < long.MaxValue / 16 ? limit + (limit / 4) : 1L << 30;

    private static long? LimitOf(PodView pod, WatchedContainer target) => target.Container.MemoryLimitBytes ?? pod.MemoryLimitBytes;

    private static PolicyView? FirstThatSays(IReadOnlyList<PolicyView> policies, string field) =>
        policies.FirstOrDefault(policy => (policy.Spec["sidecar"] as JsonObject)?[field] is not null);

    private static string WhatIsWrong(PolicyView policy) => $"{policy.FullName} is invalid and does not count: {(policy.Reading.Errors is [var first, ..] ? first : null)}";

    private static long AnnotationBytes(PodView pod, string settings, string names)
    {
        long bytes = Names.ConfigAnnotation.Length + Names.PoliciesAnnotation.Length + System.Text.Encoding.UTF8.GetByteCount(settings) + names.Length;
        foreach (var (key, value) in pod.Annotations)
            if (key is not (Names.ConfigAnnotation or Names.PoliciesAnnotation))
                bytes += key.Length + System.Text.Encoding.UTF8.GetByteCount(value);
        return bytes;
    }
}
