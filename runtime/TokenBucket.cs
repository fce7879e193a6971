namespace Premortem.Runtime;

/// <summary>Lets <paramref name="burst"/> pass at once, and then one in every <paramref name="every"/>. Not safe for threads.</summary>
internal sealed class TokenBucket(int burst, TimeSpan every)
{
    private double _tokens = burst;
    private TimeSpan _last;

    /// <param name="now">Time on a clock that only goes forward.</param>
    public bool TryTake(TimeSpan now)
    {
        Fill(now);
        if (_tokens < 1)
            return false;
        _tokens--;
        return true;
    }

    /// <summary>It is as if it had never been used.</summary>
    public bool IsFull(TimeSpan now)
    {
        Fill(now);
        return _tokens >= burst;
    }

    private void Fill(TimeSpan now)
    {
        _tokens = Math.Min(burst, _tokens + ((now - _last) / every));
        _last = now;
    }
}
