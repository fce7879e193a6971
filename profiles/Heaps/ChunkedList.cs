namespace Premortem.Profiles.Heaps;

/// <summary>A list of values that grows without ever being copied: a heap has tens of millions of them.</summary>
internal sealed class ChunkedList<T> where T : unmanaged
{
    private const int ChunkBits = 16;
    private const int ChunkLength = 1 << ChunkBits;

    private readonly List<T[]?> _chunks = [];
    private T[] _last = [];
    private int _lastCount = ChunkLength;

    public int Count { get; private set; }

    public T this[int index] => _chunks[index >> ChunkBits]![index & (ChunkLength - 1)];

    public void Add(T value)
    {
        if (_lastCount == ChunkLength)
        {
            _last = GC.AllocateUninitializedArray<T>(ChunkLength);
            _chunks.Add(_last);
            _lastCount = 0;
        }
        _last[_lastCount++] = value;
        Count++;
    }

    /// <summary>The values in one array of the length asked for; the list is empty then, and what it held can be collected.</summary>
    public T[] Drain(int length)
    {
        var all = new T[length];
        var left = Math.Min(length, Count);
        for (var i = 0; left > 0; i++)
        {
            var count = Math.Min(left, ChunkLength);
            _chunks[i].AsSpan(0, count).CopyTo(all.AsSpan(i << ChunkBits));
            _chunks[i] = null;
            left -= count;
        }
        Clear();
        return all;
    }

    /// <summary>Frees a chunk that is behind the reader: what lies below the index is not asked for again.</summary>
    public void FreeBelow(int index)
    {
        if ((index & (ChunkLength - 1)) == 0 && index > 0)
            _chunks[(index >> ChunkBits) - 1] = null;
    }

    public void Clear()
    {
        _chunks.Clear();
        (_last, _lastCount, Count) = ([], ChunkLength, 0);
    }
}
