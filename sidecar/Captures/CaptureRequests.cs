using Premortem.Contracts;
using Premortem.Sidecar.Settings;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// The captures that somebody has asked for and that have not begun. Decides when each begins, and which never will; touches nothing. The
/// sampling thread alone uses it; times are monotonic.
/// </summary>
internal sealed class CaptureRequests
{
    /// <summary>How long a container's process is waited for: the sidecar may just have started, or the container be about to come back.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>How long it is waited for profiles to be found where a process has just come.</summary>
    internal static readonly TimeSpan ProbePatience = TimeSpan.FromSeconds(3);

    private readonly List<Wish> _wishes = [];

    // By UID: a request is taken once, though the settings say it for as long as the operator has not heard of it.
    private readonly HashSet<string> _taken = [];

    /// <summary>Takes in what the settings ask for now. What they no longer ask for and has not begun is forgotten.</summary>
    /// <param name="isDone">Whether an earlier life of the sidecar has served it.</param>
    public void Take(FollowedSettings settings, Func<string, bool> isDone, TimeSpan now)
    {
        var asked = settings.Requests.Select(request => request.Uid).ToHashSet();
        _wishes.RemoveAll(wish => !asked.Contains(wish.Request.Uid));
        _taken.IntersectWith(asked);
        foreach (var request in settings.Requests)
            if (!isDone(request.Uid) && _taken.Add(request.Uid))
                foreach (var container in Containers(request, settings))
                    _wishes.Add(new Wish(request, container, now));
    }

    /// <summary>Whether somebody waits for a capture of that container.</summary>
    public bool Wants(string container) => _wishes.Exists(wish => wish.Container == container);

    public bool IsIdle => _wishes.Count == 0;

    /// <summary>What is to be done now; what comes back is not waited for any more.</summary>
    /// <param name="look">How a container is: null where it has no process.</param>
    public IReadOnlyList<RequestDecision> Due(FollowedSettings settings, Func<string, ContainerState?> look, TimeSpan now)
    {
        if (_wishes.Count == 0)
            return [];
        var decisions = new List<RequestDecision>();
        foreach (var wish in _wishes.ToList())
            if (Decide(wish, settings, look, now) is { } decision)
            {
                _wishes.Remove(wish);
                decisions.Add(decision with { IsLast = !_wishes.Exists(other => other.Request.Uid == wish.Request.Uid) });
            }
        return decisions;
    }

    private static RequestDecision? Decide(Wish wish, FollowedSettings settings, Func<string, ContainerState?> look, TimeSpan now)
    {
        var policy = settings.For(wish.Container) ?? settings.OnRequest();
        if (!settings.IsContainer(wish.Container))
            return Fail(Reasons.EndpointNotFound, $"the pod has no container '{wish.Container}'; it has {string.Join(", ", settings.Containers.Select(container => container.Name))}");
        if (policy is null)
            return Fail(Reasons.StoreUnreachable, "no policy selects the pod any more, so that nobody says where to store a capture");
        if (look(wish.Container) is { } state)
            return state.HasProfiles || now - state.BeganAt >= ProbePatience
                ? new RequestDecision.Begin(wish.Request, wish.Container, wish.Request.Captures.Count > 0 ? policy.Spec with { Captures = wish.Request.Captures } : policy.Spec)
                : null;
        return now - wish.Since >= Patience
            ? Fail(Reasons.TargetExited, $"container '{wish.Container}' has no process that can be seen: it does not run, or it shares no process namespace with the sidecar")
            : null;

        RequestDecision.Fail Fail(string reason, string detail) => new(wish.Request, wish.Container, policy?.Spec, reason, detail);
    }

    /// <summary>The one that is named; else those that are watched; where none is, all.</summary>
    private static List<string> Containers(RequestedCapture request, FollowedSettings settings)
    {
        if (request.Container is { } named)
            return [named];
        var all = settings.Containers.Select(container => container.Name).ToList();
        var watched = all.FindAll(name => settings.For(name) is not null);
        return watched.Count > 0 ? watched : all;
    }

    /// <param name="HasProfiles">Whether it is known where its profiles are.</param>
    /// <param name="BeganAt">Since when its process is watched.</param>
    internal readonly record struct ContainerState(bool HasProfiles, TimeSpan BeganAt);

    private sealed record Wish(RequestedCapture Request, string Container, TimeSpan Since);
}
