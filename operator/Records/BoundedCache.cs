using System.Diagnostics.CodeAnalysis;

namespace Premortem.Operator.Records;

/// <summary>The values that were used last, each until its time: what a stranger can fill never grows beyond <paramref name="capacity"/>.</summary>
internal sealed class BoundedCache<TKey, TValue>(int capacity, TimeProvider time)
    where TKey : notnull
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, LinkedListNode<Entry>> _entries = [];
    private readonly LinkedList<Entry> _byUse = [];

    public int Count
    {
        get
        {
            lock (_lock)
                return _entries.Count;
        }
    }

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        lock (_lock)
        {
            value = default;
            if (!_entries.TryGetValue(key, out var node))
                return false;
            if (time.GetElapsedTime(node.Value.SetAt) >= node.Value.For)
            {
                RemoveNeedsLock(node);
                return false;
            }
            _byUse.Remove(node);
            _byUse.AddFirst(node);
            value = node.Value.Value;
            return true;
        }
    }

    public void Set(TKey key, TValue value, TimeSpan @for)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(key, out var old))
                RemoveNeedsLock(old);
            else if (_entries.Count >= capacity)
                RemoveNeedsLock(_byUse.Last!);
            _entries[key] = _byUse.AddFirst(new Entry(key, value, time.GetTimestamp(), @for));
        }
    }

    private void RemoveNeedsLock(LinkedListNode<Entry> node)
    {
        _entries.Remove(node.Value.Key);
        _byUse.Remove(node);
    }

    private sealed record Entry(TKey Key, TValue Value, long SetAt, TimeSpan For);
}
