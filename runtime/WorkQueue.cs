using System.Threading.Channels;

namespace Premortem.Runtime;

/// <summary>
/// Keys that wait to be worked on. A key is held once, however often it is added; one in work that is added again comes back when it is
/// done, so that no key is ever worked on twice at a time.
/// </summary>
public sealed class WorkQueue<TKey>(Backoff backoff, TimeProvider time, Random? random = null)
    where TKey : notnull
{
    private readonly Random _random = random ?? Random.Shared;
    private readonly Lock _lock = new();
    private readonly Channel<TKey> _ready = Channel.CreateUnbounded<TKey>();
    // In the queue, or to be in it again when it is done.
    private readonly HashSet<TKey> _wanted = [];
    private readonly HashSet<TKey> _inWork = [];
    private readonly Dictionary<TKey, int> _failures = [];
    private readonly Dictionary<TKey, long> _due = [];
    // May hold times that a sooner one has overtaken: the one in _due counts.
    private readonly PriorityQueue<TKey, long> _later = new();
    private ITimer? _timer;

    /// <summary>How many can be taken now.</summary>
    public int Count => _ready.Reader.Count;

    public void Add(TKey key)
    {
        lock (_lock)
            Add_NeedsLock(key);
    }

    /// <summary>Adds it when the time has come; the sooner of two counts.</summary>
    public void AddAfter(TKey key, TimeSpan delay)
    {
        lock (_lock)
        {
            if (delay <= TimeSpan.Zero)
            {
                Add_NeedsLock(key);
                return;
            }
            var due = time.GetTimestamp() + (long)(delay.TotalSeconds * time.TimestampFrequency);
            if (_due.TryGetValue(key, out var other) && other <= due)
                return;
            _due[key] = due;
            _later.Enqueue(key, due);
            SetTimer_NeedsLock();
        }
    }

    /// <summary>Adds it after a delay that grows with each failure.</summary>
    /// <param name="atLeast">What the server asked for.</param>
    public void AddFailed(TKey key, TimeSpan? atLeast = null)
    {
        TimeSpan delay;
        lock (_lock)
        {
            _failures[key] = _failures.GetValueOrDefault(key) + 1;
            delay = backoff.Delay(_failures[key], _random.NextDouble());
        }
        AddAfter(key, atLeast > delay ? atLeast.Value : delay);
    }

    /// <summary>It succeeded: the next failure is the first again.</summary>
    public void Forget(TKey key)
    {
        lock (_lock)
            _failures.Remove(key);
    }

    public async ValueTask<TKey> TakeAsync(CancellationToken ct)
    {
        var key = await _ready.Reader.ReadAsync(ct);
        lock (_lock)
        {
            _wanted.Remove(key);
            _inWork.Add(key);
        }
        return key;
    }

    /// <summary>Every key that was taken has to be given back.</summary>
    public void Done(TKey key)
    {
        lock (_lock)
            if (_inWork.Remove(key) && _wanted.Contains(key))
                _ready.Writer.TryWrite(key);
    }

    private void Add_NeedsLock(TKey key)
    {
        if (_wanted.Add(key) && !_inWork.Contains(key))
            _ready.Writer.TryWrite(key);
    }

    private void MoveDue()
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            while (_later.TryPeek(out var key, out var due) && due <= now)
            {
                _later.Dequeue();
                if (_due.TryGetValue(key, out var counts) && counts == due)
                {
                    _due.Remove(key);
                    Add_NeedsLock(key);
                }
            }
            SetTimer_NeedsLock();
        }
    }

    private void SetTimer_NeedsLock()
    {
        if (!_later.TryPeek(out _, out var due))
            return;
        // Never early, and never so late that a timer cannot hold it.
        var wait = TimeSpan.FromMilliseconds(Math.Clamp(Math.Ceiling((due - time.GetTimestamp()) * 1000.0 / time.TimestampFrequency), 0, int.MaxValue));
        _timer ??= time.CreateTimer(static queue => ((WorkQueue<TKey>)queue!).MoveDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }
}
