namespace Premortem.Operator.Records;

/// <summary>How often each pod may do something: <paramref name="burst"/> at once, and <paramref name="perSecond"/> on average.</summary>
internal sealed class PodRates(double perSecond, int burst, int pods, TimeProvider time)
{
    private readonly Lock _lock = new();

    // A bucket that was not used for so long is full again, so that forgetting it changes nothing.
    private readonly BoundedCache<string, Bucket> _buckets = new(pods, time);

    /// <summary>Null: it may; otherwise how long it is to wait.</summary>
    public TimeSpan? Take(string podUid)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            var tokens = _buckets.TryGet(podUid, out var bucket)
                ? Math.Min(burst, bucket.Tokens + (time.GetElapsedTime(bucket.At, now).TotalSeconds * perSecond))
                : burst;
            var may = tokens >= 1;
            _buckets.Set(podUid, new Bucket(may ? tokens - 1 : tokens, now), TimeSpan.FromSeconds((burst / perSecond) + 1));
            return may ? null : TimeSpan.FromSeconds((1 - tokens) / perSecond);
        }
    }

    private sealed record Bucket(double Tokens, long At);
}
