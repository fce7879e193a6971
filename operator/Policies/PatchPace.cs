namespace Premortem.Operator.Policies;

/// <summary>So many a second, and as many at once after a pause.</summary>
internal sealed class PatchPace(int perSecond, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly TimeSpan _each = TimeSpan.FromSeconds(1.0 / perSecond);
    private readonly long _start = time.GetTimestamp();
    private TimeSpan _next = TimeSpan.FromSeconds(-1);

    public Task WaitAsync(CancellationToken ct)
    {
        TimeSpan wait;
        lock (_lock)
        {
            var now = time.GetElapsedTime(_start);
            var slot = _next > now - TimeSpan.FromSeconds(1) ? _next : now - TimeSpan.FromSeconds(1);
            _next = slot + _each;
            wait = slot - now;
        }
        return wait <= TimeSpan.Zero ? Task.CompletedTask : Task.Delay(wait, time, ct);
    }
}
