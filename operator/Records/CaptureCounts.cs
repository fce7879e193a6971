using Premortem.Operator.Policies;
using Premortem.Operator.Resources;

namespace Premortem.Operator.Records;

/// <param name="Captures">Records that are there now: <c>historyLimit</c> bounds them.</param>
internal readonly record struct CaptureCount(long Captures, DateTimeOffset? LastCaptureTime);

/// <summary>What a policy's status says of its captures.</summary>
internal sealed class CaptureCounts(CaptureIndex index)
{
    public CaptureCount Of(PolicyView policy) => Of(PolicyKey.Of(policy));

    public CaptureCount Of(PolicyKey policy)
    {
        var (captures, last) = (0L, (DateTimeOffset?)null);
        foreach (var capture in index.Of(policy))
            if (capture.Status is { CaptureId: not null } status)
            {
                captures++;
                var at = status.CompletedAt ?? status.StartedAt;
                last = last is null || at > last ? at : last;
            }
        return new CaptureCount(captures, last);
    }

    /// <summary>Told which policy's count may have changed. Register before the informers run; it must not wait.</summary>
    public void OnChange(Action<PolicyKey> handler) => index.OnChange((old, now) =>
    {
        if (ReferenceEquals(old, now) || (now ?? old) is not ProfileCapture capture || PolicyKey.Of(capture) is not { } policy)
            return;
        if (old is null || now is null || old.Status?.CompletedAt != now.Status?.CompletedAt || old.Status?.CaptureId != now.Status?.CaptureId)
            handler(policy);
    });
}
