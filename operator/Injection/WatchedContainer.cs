using Premortem.Contracts.Policies;
using Premortem.Operator.Policies;

namespace Premortem.Operator.Injection;

/// <summary>A container that a policy watches, with what holds for it.</summary>
internal sealed record WatchedContainer(ContainerView Container, EffectivePolicy Policy)
{
    public string Name => Container.Name;

    /// <param name="policies">The valid ones that select the pod, the one that wins first.</param>
    public static IReadOnlyList<WatchedContainer> In(PodView pod, IReadOnlyList<PolicyView> policies)
    {
        var read = policies.Select(policy => policy.Policy!).ToArray();
        var watched = new List<WatchedContainer>();
        foreach (var container in pod.LongLived)
            if (MayBeWatched(container.Name, container.IsInit, policies) && PolicyMerge.For(container.Name, read) is { } effective)
                watched.Add(new WatchedContainer(container, effective));
        return watched;
    }

    /// <summary>Native sidecars of others (a mesh's proxy) are left alone unless a policy names them.</summary>
    public static bool MayBeWatched(string container, bool isInit, IReadOnlyList<PolicyView> policies) =>
        !isInit || policies.Any(policy => policy.Reading.Policy?.Spec.Containers.Contains(container) == true);
}
