namespace Premortem.Sidecar.Targets;

/// <summary>
/// When a sidecar beside a Job's containers has nothing left to do: the pod does not complete before the sidecar ends. Pure; times are monotonic.
/// </summary>
internal sealed class EndOfTargets
{
    /// <summary>What ended is given this long to be there again, or to turn out to be only a part of what the container does.</summary>
    public static readonly TimeSpan Settles = TimeSpan.FromSeconds(5);

    /// <summary>The kubelet waits at most five minutes before it starts a container again.</summary>
    public static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(330);

    /// <summary>An image may take long to come. A container that came and went before anybody looked must not keep its pod for ever.</summary>
    public static readonly TimeSpan NeverCame = TimeSpan.FromMinutes(10);

    private const string Never = "Never";

    private bool _hasSeen;
    private TimeSpan? _goneSince;

    /// <param name="isAnyThere">Whether a process of any container is there, watched or not.</param>
    /// <param name="allSucceeded">Whether every container is known to have ended with success.</param>
    /// <param name="restartPolicy">The pod's; null: not known.</param>
    /// <returns>Why it is over; null: it is not.</returns>
    public string? Look(TimeSpan now, bool isAnyThere, bool allSucceeded, string? restartPolicy)
    {
        if (isAnyThere)
        {
            (_hasSeen, _goneSince) = (true, null);
            return null;
        }
        if (!_hasSeen)
            return now >= NeverCame ? "no process of any container has come" : null;
        _goneSince ??= now;
        var isOver = restartPolicy == Never || allSucceeded;
        return now - _goneSince >= (isOver ? Settles : LongestBackOff) ? "its targets have ended" : null;
    }
}
