using System.Text.Json;
using Premortem.Cli.Cluster;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Operator.Injection;

namespace Premortem.Cli.Pods;

/// <summary>Everything that is known of how Premortem stands to a pod.</summary>
/// <param name="Subject"><c>pod shop/checkout-7d9f</c>, or the workload that has no pod.</param>
/// <param name="Policies">What the pod follows, or would.</param>
/// <param name="SettingsProblem">Why its settings do not hold, or do not hold yet; null: they do.</param>
/// <param name="Events">What the operator said of injecting it, the newest last.</param>
/// <param name="Sidecar">Null: it has none.</param>
internal sealed record PodExplanation(
    string Subject,
    string Namespace,
    string Name,
    InjectionView Injection,
    IReadOnlyList<string> Policies,
    string? SettingsProblem,
    IReadOnlyList<(DateTimeOffset? At, string Reason, string Message)> Events,
    SidecarView? Sidecar,
    IReadOnlyList<ContainerExplanation> Containers)
{
    private static readonly HashSet<string> s_reasons =
    [
        SkipReasons.OptedOut, SkipReasons.ExcludedNamespace, SkipReasons.MirrorPod, SkipReasons.Windows, SkipReasons.HostProcessNamespace,
        SkipReasons.ProcessNamespaceNotShared, SkipReasons.NameTaken, SkipReasons.NoContainer, SkipReasons.InvalidPolicy, SkipReasons.MalformedPod,
        SkipReasons.SettingsTooLarge, SkipReasons.NotSeen, "NotReady", "NamespaceUnknown", "InjectionFailed", "TimedOut", InjectionView.Injected,
    ];

    internal static async Task<PodExplanation> OfAsync(Kubectl kubectl, PodReference reference, string[] scope, TimeProvider time, CancellationToken ct)
    {
        var (pod, workload) = await reference.FindAsync(kubectl, scope, ct);
        if (pod is null)
        {
            var template = workload!.Value.Member("spec", "template");
            if (template.ValueKind != JsonValueKind.Object)
                throw new VerbException($"{reference.Name} has no pod, and no template of one");
            var ns = workload.Value.Member("metadata").Text("namespace");
            var would = await InjectionView.OfAsync(kubectl, template, ns, isTemplate: true, ct);
            return new PodExplanation(
                $"{reference.Resource.Split('.')[0].TrimEnd('s')} {ns}/{reference.Name}, which has no pod",
                ns, reference.Name, would, [.. would.Policies.Select(policy => policy.FullName)], null, await EventsAsync(kubectl, ns, [reference.Name], ct), null, []);
        }
        var metadata = pod.Value.Member("metadata");
        var (@namespace, name) = (metadata.Text("namespace"), metadata.Text("name"));
        var injection = await InjectionView.OfAsync(kubectl, pod.Value, @namespace, isTemplate: false, ct);
        var sidecar = injection.IsInjected ? await SidecarView.OfAsync(kubectl, pod.Value, ct) : null;
        var settings = SettingsReader.Read(metadata.Member("annotations").Text(Names.ConfigAnnotation));
        var owners = metadata.Items("ownerReferences").Select(owner => owner.Text("name")).Append(name).Append(reference.Name).Append(WithoutHash(metadata)).Distinct().ToList();
        return new PodExplanation(
            $"pod {@namespace}/{name}",
            @namespace,
            name,
            injection,
            metadata.Member("annotations").Text(Names.PoliciesAnnotation) is { Length: > 0 } applied ? applied.Split(',') : [.. injection.Policies.Select(policy => policy.FullName)],
            sidecar is null ? null : SettingsProblemOf(settings, sidecar.Status),
            await EventsAsync(kubectl, @namespace, owners, ct),
            sidecar,
            sidecar is null ? [] : await ContainersAsync(kubectl, pod.Value, settings, sidecar, time, ct));
    }

    /// <summary>A Deployment's event stands on the Deployment, and its pods' owner is a ReplicaSet of its name and a hash.</summary>
    private static string WithoutHash(JsonElement metadata)
    {
        var hash = metadata.Member("labels").Text("pod-template-hash");
        var owner = metadata.Items("ownerReferences").FirstOrDefault().Text("name");
        return hash.Length > 0 && owner.EndsWith("-" + hash, StringComparison.Ordinal) ? owner[..^(hash.Length + 1)] : owner;
    }

    private static string? SettingsProblemOf(SettingsReading settings, SidecarStatus? status) =>
        settings.Settings is null ? $"they cannot be read: {settings.Errors[0]}"
        : status?.SettingsError is { } error ? $"the sidecar refuses them: {error}"
        : status is not null && status.Revision != settings.Settings.Revision ? "the sidecar has not said yet that it follows the newest; the kubelet brings them within a minute or two"
        : null;

    private static async Task<IReadOnlyList<(DateTimeOffset? At, string Reason, string Message)>> EventsAsync(Kubectl kubectl, string ns, IReadOnlyList<string> names, CancellationToken ct)
    {
        using var list = await kubectl.TryGetAsync("events", ["-n", ns], ct);
        return
        [
            .. (list?.RootElement.Items("items") ?? [])
                .Where(one => names.Contains(one.Member("involvedObject").Text("name")) && s_reasons.Contains(one.Text("reason")))
                .Select(one => (At: one.Time("lastTimestamp") ?? one.Time("eventTime") ?? one.Member("metadata").Time("creationTimestamp"), Reason: one.Text("reason"), Message: one.Text("message")))
                .OrderBy(one => one.At)
                .TakeLast(3),
        ];
    }

    private static async Task<IReadOnlyList<ContainerExplanation>> ContainersAsync(
        Kubectl kubectl, JsonElement pod, SettingsReading settings, SidecarView sidecar, TimeProvider time, CancellationToken ct)
    {
        if (settings.Settings is null)
            return [];
        var metadata = pod.Member("metadata");
        // Where the cluster has metrics, they are newer than the log's last line.
        using var metrics = await kubectl.TryGetAsync("pods.metrics.k8s.io", [metadata.Text("name"), "-n", metadata.Text("namespace")], ct);
        var explained = new List<ContainerExplanation>();
        foreach (var container in settings.Settings.Containers)
        {
            if (PolicyMerge.For(container.Name, settings.Policies) is not { } policy)
                continue;
            var target = sidecar.Status?.Targets.FirstOrDefault(one => one.Container == container.Name);
            var told = sidecar.Log.MemoryOf(container.Name);
            var metered = metrics?.RootElement.Items("containers").FirstOrDefault(one => one.Text("name") == container.Name).Member("usage").Text("memory");
            var (used, from) = metered is { Length: > 0 } && Quantity.TryParse(metered, out var bytes) ? (bytes, "metrics")
                : told is not null && Quantity.TryParse(told.Used.Replace(" ", "", StringComparison.Ordinal).TrimEnd('B'), out var said) ? (said, $"the sidecar's log, {Ago(told.At, time)}")
                : ((long?)null, "");
            var ceiling = target?.CeilingBytes ?? container.MemoryLimitBytes;
            explained.Add(new ContainerExplanation(
                container.Name, target, container.MemoryLimitBytes, ceiling, used, from,
                [.. policy.Spec.Triggers
                    .Select(trigger => TriggerView.Of(trigger, policy.PolicyOf.TryGetValue(trigger.Name, out var whose) ? $"{whose.Namespace}{(whose.Namespace is null ? "" : "/")}{whose.Name}" : "", used, ceiling, told, time.GetUtcNow()))
                    .OrderBy(trigger => trigger.Rank)]));
        }
        return explained;
    }

    private static string Ago(DateTimeOffset? at, TimeProvider time) => at is { } then ? $"{Captures.CaptureTable.Age(time.GetUtcNow() - then)} ago" : "some time ago";
}
