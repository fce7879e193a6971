using System.Runtime.InteropServices;
using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// Takes a heap's objects and what they refer to, by addresses, and makes a graph of numbers of it. References come in the order of the
/// objects that have them, in whatever pieces.
/// </summary>
internal sealed class HeapGraphBuilder
{
    /// <summary>A heap of more has never been seen; what claims more costs no more memory than this.</summary>
    internal const int MaxObjects = 200_000_000;
    internal const int MaxReferences = 1_000_000_000;
    internal const int MaxRoots = 4_000_000;

    /// <summary>Objects of more than 4 GiB, of at most 1 TiB each: more than that cannot be summed up, and fits into no machine.</summary>
    private const int MaxLarge = 1 << 20;
    private const int MaxTypes = 1 << 20;
    private const int OtherTypes = 0;
    private const int PageBits = 12;
    private const int WorthCollecting = 1_000_000;
    private const string ArrayOfSlots = "System.Object[]";

    private readonly ChunkedList<ulong> _addresses = new();
    private readonly ChunkedList<uint> _bytes = new();
    private readonly ChunkedList<int> _typeOf = new();
    private readonly ChunkedList<uint> _counts = new();
    private readonly ChunkedList<ulong> _targets = new();
    private readonly Dictionary<int, long> _large = [];
    private readonly Dictionary<ulong, int> _types = [];
    private readonly List<string?> _names = ["(other types)"];
    private readonly Dictionary<(HeapRootKind, string?), int> _rootNumbers = [];
    private readonly List<HeapRoot> _roots = [];
    private readonly List<(int Root, ulong Target)> _rooted = [];
    private readonly List<(ulong Slot, ulong Target)> _slots = [];
    private readonly List<(ulong Key, ulong Value)> _dependents = [];
    private int _nameCharacters;

    public int Objects => _addresses.Count;

    /// <summary>The references taken so far.</summary>
    public int References => _targets.Count;

    /// <summary>Objects from this one on have references that are not known. Null: there is none.</summary>
    public int? FirstWithoutReferences { get; set; }

    public int TypeOf(ulong id)
    {
        ref var type = ref CollectionsMarshal.GetValueRefOrAddDefault(_types, id, out var isKnown);
        if (isKnown)
            return type;
        if (_types.Count > MaxTypes)
        {
            _types.Remove(id);
            return OtherTypes;
        }
        _names.Add(null);
        return type = _names.Count - 1;
    }

    /// <summary>Says what a type is called. A name may come before its objects, or after them.</summary>
    public void Name(ulong id, ReadOnlySpan<char> name)
    {
        if (name.IsEmpty || _nameCharacters >= TypeTally.MaxNameCharacters)
            return;
        var type = TypeOf(id);
        if (type == OtherTypes || _names[type] is not null)
            return;
        var text = TypeTally.Kept(name);
        _nameCharacters += text.Length;
        _names[type] = text;
    }

    /// <param name="references">How many of the references that come, after those of the objects before it, are its own.</param>
    /// <returns>Whether there was room for it.</returns>
    public bool Add(ulong address, ulong bytes, int type, ulong references)
    {
        if (_addresses.Count >= MaxObjects)
            return false;
        if (bytes > uint.MaxValue && _large.Count < MaxLarge)
            _large.TryAdd(_addresses.Count, (long)Math.Min(bytes, 1L << 40));
        _addresses.Add(address);
        _bytes.Add((uint)Math.Min(bytes, uint.MaxValue));
        _typeOf.Add(type);
        _counts.Add((uint)Math.Min(references, uint.MaxValue));
        return true;
    }

    public bool AddReference(ulong target)
    {
        if (_targets.Count >= MaxReferences)
            return false;
        _targets.Add(target);
        return true;
    }

    /// <param name="slot">Where a static variable stands, if that is inside an array of the heap: the array is not what keeps its value.</param>
    /// <returns>Whether there was room for it.</returns>
    public bool AddRoot(HeapRootKind kind, ulong target, string? variable = null, ulong slot = 0)
    {
        if (_rooted.Count >= MaxRoots)
            return false;
        if (target == 0)
            return true;
        ref var number = ref CollectionsMarshal.GetValueRefOrAddDefault(_rootNumbers, (kind, variable), out var isKnown);
        if (!isKnown)
        {
            number = _roots.Count;
            _roots.Add(new HeapRoot(kind, variable));
        }
        _rooted.Add((number, target));
        if (slot != 0)
            _slots.Add((slot, target));
        return true;
    }

    /// <summary>A dependent handle, of a conditional weak table: as long as the key lives, the value does.</summary>
    public bool AddDependent(ulong key, ulong value)
    {
        if (_dependents.Count >= MaxRoots)
            return false;
        _dependents.Add((key, value));
        return true;
    }

    /// <summary>The graph of what was taken. The builder is empty then.</summary>
    /// <param name="isPartial">Whether more is missing than the builder can see.</param>
    /// <param name="stream">What it was read from, where that is known.</param>
    /// <param name="measure">Which objects they are: a <see cref="TypeTable.Measure"/>.</param>
    public HeapGraph Build(bool isPartial, NettraceHeader? stream = null, string measure = TypeTable.LiveObjects)
    {
        var count = _addresses.Count;
        var (names, merged) = MergedNames();
        var types = _typeOf.Drain(count);
        foreach (ref var type in types.AsSpan())
            type = merged[type];
        var addresses = _addresses.Drain(count);
        var index = new AddressIndex(addresses);
        var (roots, starts, isCut) = (Rooted(index, count), new int[count + _roots.Count + 2], false);
        var extra = Dependents(index);
        var own = OwnSlots(addresses, types, names);

        // Every object's references are at least those that came for it; what refers nowhere is left out, so that the array is cut once.
        var references = new int[(int)Math.Min((long)_targets.Count + extra.Count + roots.Count + _roots.Count, Array.MaxLength)];
        var (next, written, nextExtra) = (0, 0, 0);
        for (var i = 0; i < count; i++)
        {
            starts[i] = written;
            long wanted = i < (FirstWithoutReferences ?? int.MaxValue) ? _counts[i] : 0;
            isCut |= wanted > _targets.Count - next;
            var hasSlots = own is not null && names[types[i]] == ArrayOfSlots;
            var end = next + (int)Math.Min(wanted, _targets.Count - next);
            for (; next < end; next++)
            {
                _targets.FreeBelow(next);
                var address = _targets[next];
                var target = index.Find(address);
                if (target >= 0 && target != i && !(hasSlots && own!.Contains((i, address))))
                    references[written++] = target;
            }
            for (; nextExtra < extra.Count && extra[nextExtra].Key == i; nextExtra++)
                references[written++] = extra[nextExtra].Value;
        }
        isCut |= next < _targets.Count;
        _targets.Clear();
        _counts.Clear();

        // Behind the objects stand the roots, each as a node of its own, and one that holds them all.
        var nextRooted = 0;
        for (var root = 0; root < _roots.Count; root++)
        {
            starts[count + root] = written;
            for (; nextRooted < roots.Count && roots[nextRooted].Root == root; nextRooted++)
                references[written++] = roots[nextRooted].Target;
        }
        starts[count + _roots.Count] = written;
        foreach (var root in Enumerable.Range(0, _roots.Count).OrderBy(root => _roots[root].Kind).ThenBy(root => root))
            references[written++] = count + root;
        starts[count + _roots.Count + 1] = written;
        if (written < references.Length * 0.9)
            Array.Resize(ref references, written);
        var sizes = _bytes.Drain(count);
        // What was collected lies there twice now, and nothing would ask for it before the next large arrays do.
        if (count > WorthCollecting)
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return new HeapGraph
        {
            Measure = measure,
            TakenAt = stream?.StartedAt ?? default,
            ProcessId = stream?.ProcessId ?? 0,
            PointerSize = stream?.PointerSize ?? 8,
            Addresses = addresses,
            Sizes = sizes,
            LargeSizes = _large,
            TypeOf = types,
            TypeNames = names,
            Starts = starts,
            References = references,
            Roots = [.. _roots],
            IsPartial = isPartial || isCut || FirstWithoutReferences is not null,
        };
    }

    /// <summary>One name may stand for several types: of two assemblies, or nested in two classes, which the runtime does not tell.</summary>
    private (string[] Names, int[] Merged) MergedNames()
    {
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        var names = new List<string>();
        var merged = new int[_names.Count];
        for (var i = 0; i < merged.Length; i++)
        {
            var name = _names[i] ?? "(unnamed)";
            ref var number = ref CollectionsMarshal.GetValueRefOrAddDefault(numbers, name, out var isKnown);
            if (!isKnown)
            {
                number = names.Count;
                names.Add(name);
            }
            merged[i] = number;
        }
        return ([.. names], merged);
    }

    private List<(int Root, int Target)> Rooted(AddressIndex index, int count)
    {
        var rooted = new List<(int Root, int Target)>(_rooted.Count);
        foreach (var (root, address) in _rooted)
            if (index.Find(address) is >= 0 and var target && target < count)
                rooted.Add((root, target));
        rooted.Sort();
        return rooted;
    }

    private List<(int Key, int Value)> Dependents(AddressIndex index)
    {
        var pairs = new List<(int Key, int Value)>(_dependents.Count);
        foreach (var (key, value) in _dependents)
            if (index.Find(key) is >= 0 and var from && index.Find(value) is >= 0 and var to)
                pairs.Add((from, to));
        pairs.Sort();
        return pairs;
    }

    /// <summary>
    /// Static variables stand in arrays of objects that a handle of the runtime's keeps. Seen from there every one of them would be held
    /// twice, and by itself hold nothing.
    /// </summary>
    private HashSet<(int Array, ulong Target)>? OwnSlots(ulong[] addresses, int[] types, string[] names)
    {
        var arrays = Array.IndexOf(names, ArrayOfSlots);
        if (_slots.Count == 0 || arrays < 0)
            return null;
        _slots.Sort();
        var own = new HashSet<(int, ulong)>();
        for (var i = 0; i < addresses.Length; i++)
        {
            if (types[i] != arrays || addresses[i] > _slots[^1].Slot)
                continue;
            var end = addresses[i] + _bytes[i];
            if (end < _slots[0].Slot)
                continue;
            var first = _slots.BinarySearch((addresses[i], 0));
            for (var slot = first < 0 ? ~first : first; slot < _slots.Count && _slots[slot].Slot < end; slot++)
                own.Add((i, _slots[slot].Target));
        }
        return own.Count == 0 ? null : own;
    }

    /// <summary>
    /// Finds objects by their addresses. A walk goes through the heap upwards, so that the objects of a page of memory follow each other: a
    /// table of pages is small, and finds what lies close together close together. Where they do not, they are sorted first.
    /// </summary>
    private sealed class AddressIndex
    {
        private readonly ulong[] _sorted;
        private readonly int[]? _numbers;
        private readonly int[] _pages;
        private readonly int _shift;

        public AddressIndex(ulong[] addresses)
        {
            _sorted = addresses;
            if (TablePages(out _pages, out _shift))
                return;
            _sorted = (ulong[])addresses.Clone();
            _numbers = new int[addresses.Length];
            for (var i = 0; i < _numbers.Length; i++)
                _numbers[i] = i;
            Array.Sort(_sorted, _numbers);
            TablePages(out _pages, out _shift);
        }

        /// <returns>The object's number; negative: there is none.</returns>
        public int Find(ulong address)
        {
            var page = address >> PageBits;
            for (var slot = Slot(page); _pages[slot] != 0; slot = (slot + 1) & (_pages.Length - 1))
            {
                var first = _pages[slot] - 1;
                if (_sorted[first] >> PageBits != page)
                    continue;
                // Within the page what is less comes first; what is of another page comes behind it, whatever its address.
                var (low, high) = (first, first);
                for (var step = 8; high < _sorted.Length && IsBefore(high, page, address); step *= 2)
                    (low, high) = (high + 1, (int)Math.Min((long)high + step, _sorted.Length));
                while (low < high)
                {
                    var middle = (int)(((uint)low + (uint)high) >> 1);
                    if (IsBefore(middle, page, address))
                        low = middle + 1;
                    else
                        high = middle;
                }
                return low >= _sorted.Length || _sorted[low] != address ? -1 : _numbers is null ? low : _numbers[low];
            }
            return -1;
        }

        private bool IsBefore(int number, ulong page, ulong address) => _sorted[number] >> PageBits == page && _sorted[number] < address;

        private int Slot(ulong page) => (int)((page * 0x9E3779B97F4A7C15) >> _shift);

        /// <returns>Whether every page's objects follow each other upwards.</returns>
        private bool TablePages(out int[] pages, out int shift)
        {
            long count = 0;
            for (var i = 0; i < _sorted.Length; i++)
                if (i == 0 || _sorted[i] >> PageBits != _sorted[i - 1] >> PageBits)
                    count++;
            var bits = Math.Max(4, 65 - System.Numerics.BitOperations.LeadingZeroCount((ulong)count));
            (pages, shift) = (new int[1L << Math.Min(bits, 30)], 64 - Math.Min(bits, 30));
            for (var i = 0; i < _sorted.Length; i++)
            {
                var page = _sorted[i] >> PageBits;
                if (i > 0 && page == _sorted[i - 1] >> PageBits)
                {
                    if (_sorted[i] < _sorted[i - 1])
                        return false;
                    continue;
                }
                var slot = (int)((page * 0x9E3779B97F4A7C15) >> shift);
                for (; pages[slot] != 0; slot = (slot + 1) & (pages.Length - 1))
                    if (_sorted[pages[slot] - 1] >> PageBits == page)
                        return false;
                pages[slot] = i + 1;
            }
            return true;
        }
    }
}
