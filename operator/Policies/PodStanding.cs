using System.Text.Json;
using System.Text.Json.Serialization;
using Premortem.Contracts;
using Premortem.Operator.Injection;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Policies;

/// <summary>How a pod stands to the policies that select it.</summary>
/// <param name="Policies">Those that select it, the one that wins first.</param>
/// <param name="Missed">Why it has no sidecar, a word from <see cref="SkipReasons"/>; null: it has one.</param>
/// <param name="Storage">What its sidecar says of the store; null: nothing yet.</param>
/// <param name="SettingsError">Why its sidecar does not follow the newest settings; null: it does, or has not said.</param>
/// <param name="HasReported">Its sidecar has said something of itself.</param>
/// <param name="IsBehind">Its sidecar has not said yet that it follows the settings that stand on the pod.</param>
internal sealed record PodStanding(IReadOnlyList<SelectedPolicy> Policies, string? Missed, StorageStatus? Storage, string? SettingsError, bool IsBehind, bool HasReported)
{
    private const int MaxStatus = 64 * 1024;

    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter() } };

    public bool IsInjected => Missed is null;

    /// <summary>Null: it is of no interest, being finished or on its way out, or because neither policy nor sidecar is there.</summary>
    /// <param name="whyMissed">Why a pod that policies select has no sidecar.</param>
    public static PodStanding? Of(Pod pod, IReadOnlyList<PolicyView> policies, Func<string> whyMissed)
    {
        if (!IsAlive(pod))
            return null;
        var isInjected = HasSidecar(pod);
        if (!isInjected && policies.Count == 0)
            return null;
        SelectedPolicy[] selected = [.. policies.Select(policy => new SelectedPolicy(PolicyKey.Of(policy), policy.Uid, policy.Generation))];
        if (!isInjected)
            return new PodStanding(selected, whyMissed(), null, null, false, false);
        var status = Status(pod);
        var revision = SettingsPrint.RevisionOf(pod.Metadata.Annotations?.GetValueOrDefault(Names.ConfigAnnotation));
        return new PodStanding(
            selected,
            null,
            status?.Storage,
            status?.SettingsError,
            status is not null && status.SettingsError is null && status.Revision != revision,
            status is not null);
    }

    public static bool IsAlive(Pod pod) => pod.Metadata.DeletionTimestamp is null && pod.Status.Phase is not ("Succeeded" or "Failed");

    public static bool HasSidecar(Pod pod) =>
        pod.Metadata.Labels?.GetValueOrDefault(Names.InjectedLabel) == "true" && (Has(pod.Spec.InitContainers) || Has(pod.Spec.Containers));

    /// <summary>Whether something has changed that a standing is made of; most changes of pods are none.</summary>
    public static bool IsChanged(Pod old, Pod now) =>
        old.Metadata.Uid != now.Metadata.Uid
        || IsAlive(old) != IsAlive(now)
        || !Same(old.Metadata.Labels, now.Metadata.Labels)
        || !Same(old.Metadata.Annotations, now.Metadata.Annotations);

    /// <summary>A running pod may be resized; its settings have the limits.</summary>
    public static bool IsResized(Pod old, Pod now) =>
        !(old.Spec.Containers ?? []).Select(Limit).SequenceEqual((now.Spec.Containers ?? []).Select(Limit)) || Limit(old.Spec.Resources) != Limit(now.Spec.Resources);

    public bool Equals(PodStanding? other) =>
        other is not null && Missed == other.Missed && Storage == other.Storage && SettingsError == other.SettingsError && IsBehind == other.IsBehind && HasReported == other.HasReported
        && Policies.SequenceEqual(other.Policies);

    public override int GetHashCode() => HashCode.Combine(Missed, Policies.Count);

    // Written by the operator, but who may patch pods may write it too.
    private static SidecarStatus? Status(Pod pod)
    {
        if (pod.Metadata.Annotations?.GetValueOrDefault(Names.StatusAnnotation) is not { Length: <= MaxStatus } text)
            return null;
        try
        {
            return JsonSerializer.Deserialize<SidecarStatus>(text, s_json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Limit(PodContainer container) => Limit(container.Resources);

    private static string? Limit(ContainerResources? resources) => resources?.Limits?.GetValueOrDefault("memory");

    private static bool Has(IReadOnlyList<PodContainer>? containers) => containers?.Any(container => container.Name == Names.SidecarContainer) == true;

    private static bool Same(IReadOnlyDictionary<string, string>? a, IReadOnlyDictionary<string, string>? b)
    {
        if ((a?.Count ?? 0) != (b?.Count ?? 0))
            return false;
        foreach (var (key, value) in a ?? new Dictionary<string, string>())
            if (!b!.TryGetValue(key, out var other) || other != value)
                return false;
        return true;
    }
}

/// <summary>A policy that selects a pod, as it was then.</summary>
internal readonly record struct SelectedPolicy(PolicyKey Key, string Uid, long Generation);
