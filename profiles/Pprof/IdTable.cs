namespace Premortem.Profiles.Pprof;

/// <summary>
/// From the ids that a profile gives to its entries to their places. Ids are nearly always 1, 2, 3, …: those are kept in an array,
/// the others in a dictionary.
/// </summary>
internal sealed class IdTable(int count, string kind)
{
    private readonly int[] _dense = new int[(int)Math.Min((count * 2L) + 16, Array.MaxLength)];
    private Dictionary<ulong, int>? _sparse;

    internal void Add(ulong id, int index, int offset)
    {
        if (id == 0)
            throw new ProfileFormatException($"a {kind} has the reserved id 0", offset);
        bool isNew;
        if (id < (ulong)_dense.Length)
        {
            isNew = _dense[id] == 0;
            _dense[id] = index + 1;
        }
        else
        {
            isNew = (_sparse ??= new Dictionary<ulong, int>(SeededComparer.Instance)).TryAdd(id, index);
        }
        if (!isNew)
            throw new ProfileFormatException($"two of the {kind}s have the id {id}", offset);
    }

    /// <summary>The place of <paramref name="id"/>, or −1.</summary>
    internal int IndexOf(ulong id) =>
        id < (ulong)_dense.Length ? _dense[id] - 1 : _sparse is not null && _sparse.TryGetValue(id, out var index) ? index : -1;

    /// <summary>The hash of a number is otherwise the xor of its halves, and a file could choose all ids to have the same.</summary>
    private sealed class SeededComparer : IEqualityComparer<ulong>
    {
        internal static readonly SeededComparer Instance = new();

        public bool Equals(ulong x, ulong y) => x == y;

        public int GetHashCode(ulong id) => HashCode.Combine(id >> 32, (uint)id);
    }
}
