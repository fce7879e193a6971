using System.Collections.Concurrent;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Triggers;

namespace Premortem.Sidecar.Settings;

/// <summary>What the sidecar follows: settings with their policies read, and what these come to for each container.</summary>
/// <param name="settings">As the operator wrote them.</param>
/// <param name="policies">Its policies, in any order.</param>
internal sealed class FollowedSettings(SidecarSettings settings, IReadOnlyList<ReadPolicy> policies)
{
    /// <summary>What is said of one document: whoever wrote nonsense must not fill the log with it.</summary>
    private const int MostErrors = 8;

    private readonly ConcurrentDictionary<string, EffectivePolicy?> _effective = new();
    private readonly EffectivePolicy? _only;

    private FollowedSettings(ProfilePolicy policy, bool choosesContainers)
        : this(new SidecarSettings { Revision = "" }, [new ReadPolicy(ProfilePolicy.Kind, policy.Name, policy.Namespace, policy.Spec)]) =>
        _only = Alone(Policies[0], choosesContainers ? policy.Spec : policy.Spec with { Containers = [] });

    /// <summary>The one that wins first.</summary>
    public IReadOnlyList<ReadPolicy> Policies { get; } = [.. policies.Order(Comparer<ReadPolicy>.Create(static (a, b) => PolicyMerge.Compare(a.Kind, a.Name, b.Kind, b.Name)))];

    public IReadOnlyList<ContainerSettings> Containers => settings.Containers;

    public IReadOnlyList<RequestedCapture> Requests => settings.Requests;

    public ReportSettings? Report => settings.Report;

    /// <summary>Null: these are from no operator.</summary>
    public string? Revision => settings.Revision.Length > 0 ? settings.Revision : null;

    public bool EndsWithTargets => settings.EndsWithTargets;

    public string? RestartPolicy => settings.RestartPolicy;

    /// <summary>Where captures go that no policy of their container says anything of; null: no policy says anything.</summary>
    public Storage? Storage => Policies is [var first, ..] ? first.Spec.Storage : null;

    /// <summary>What the spool may hold: what the most generous policy grants, for all containers share it; never more than its volume was made for.</summary>
    public long SpoolBytes => Math.Min(
        settings.SpoolBytes ?? long.MaxValue,
        Policies.Count > 0 ? Policies.Max(policy => policy.Spec.Limits.SpoolBytes) : new CaptureLimits().SpoolBytes);

    /// <summary>The settings of a sidecar that no operator has started.</summary>
    /// <param name="choosesContainers">Whether <c>spec.containers</c> means anything: in a pod it does, of a process or a cgroup it does not.</param>
    public static FollowedSettings Of(ProfilePolicy policy, bool choosesContainers) => new(policy, choosesContainers);

    /// <summary>Makes settings of what stands in a file.</summary>
    public static (FollowedSettings? Settings, string? Error, IReadOnlyList<string> Warnings) Read(string text)
    {
        var reading = SettingsReader.Read(text, Schedule.Check);
        return (
            reading.Settings is { } settings ? new FollowedSettings(settings, reading.Policies) : null,
            reading.Settings is null ? string.Join("; ", reading.Errors.Take(MostErrors)) : null,
            [.. reading.Warnings.Take(MostErrors).Select(warning => warning.ToString())]);
    }

    /// <summary>What holds for one container; null: no policy watches it.</summary>
    public EffectivePolicy? For(string container) => _only is not null
        ? _only.Spec.Containers.Count == 0 || _only.Spec.Containers.Contains(container) ? _only : null
        : IsContainer(container) ? _effective.GetOrAdd(container, static (name, policies) => policies.Count == 0 ? null : PolicyMerge.For(name, policies), Policies) : null;

    /// <summary>Whether it is one of those to choose from.</summary>
    public bool IsContainer(string name) => Containers.Count == 0 || Containers.Any(container => container.Name == name);

    /// <summary>The container's limit as the pod has it; null: none, or not known.</summary>
    public long? LimitOf(string container) => Containers.FirstOrDefault(one => one.Name == container)?.MemoryLimitBytes;

    /// <summary>For a container that somebody asks for and no policy watches: no triggers, what is captured by default, stored where the pod's captures go.</summary>
    public EffectivePolicy? OnRequest() => Policies is [var first, ..]
        ? Alone(first, new ProfilePolicySpec { Triggers = [], Storage = first.Spec.Storage, Limits = first.Spec.Limits })
        : null;

    private static EffectivePolicy Alone(ReadPolicy policy, ProfilePolicySpec spec) =>
        new(spec, spec.Triggers.ToDictionary(trigger => trigger.Name, _ => policy.Reference), []);
}
