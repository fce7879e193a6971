using System.Collections.Concurrent;
using Premortem.Operator.Resources;
using Premortem.Runtime;

namespace Premortem.Operator.Policies;

/// <summary>Keeps the status of each policy right; on the leader. What changes at once is written at once, and no policy more often than each <see cref="s_pace"/>.</summary>
internal sealed class PolicyController(
    Func<PolicyKey, PolicyView?> viewOf,
    Func<PolicyKey, PolicyResource?> resourceOf,
    PolicyStatuses statuses,
    Func<PolicyView, CaptureFigures> capturesOf,
    Func<PolicyKey, ResourcePatch, CancellationToken, Task<PolicyResource>> patchStatus,
    Action onWritten,
    TimeProvider time,
    ILogger log)
{
    private static readonly TimeSpan s_pace = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<PolicyKey, Written> _written = [];

    public async Task<ReconcileResult> ReconcileAsync(PolicyKey key, CancellationToken ct)
    {
        if (viewOf(key) is not { } policy || resourceOf(key) is not { Metadata.DeletionTimestamp: null } resource)
        {
            _written.TryRemove(key, out _);
            return ReconcileResult.Done;
        }
        var known = _written.TryGetValue(key, out var last) && last.Uid == policy.Uid ? last : null;
        if (known is not null && s_pace - time.GetElapsedTime(known.At) is var rest && rest > TimeSpan.Zero)
            return ReconcileResult.After(rest);
        // The local copy may not have what was written last: then that is what stands there.
        var old = known is not null && known.Over == resource.Metadata.ResourceVersion ? known.Status : resource.Status;
        var status = PolicyStatusRules.Build(policy, statuses.Read(key), capturesOf(policy), old, time.GetUtcNow());
        if (PolicyStatusRules.Patch(old, status) is not { } patch)
            return ReconcileResult.Done;
        try
        {
            await patchStatus(key, new ResourcePatch.Merge(patch), ct);
        }
        catch (ApiException e) when (e.IsNotFound)
        {
            return ReconcileResult.Done;
        }
        _written[key] = new Written(policy.Uid, resource.Metadata.ResourceVersion, status, time.GetTimestamp());
        onWritten();
        Log.StatusWritten(log, key.Kind, key.ToString(), status.Conditions![0].Reason, status.MatchedPods ?? 0, status.InjectedPods ?? 0);
        return ReconcileResult.Done;
    }

    /// <param name="Over">The version of the object that it was written over.</param>
    private sealed record Written(string Uid, string? Over, PolicyStatus Status, long At);
}
