using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// A heap's objects and what they refer to. Objects are numbers from 0; behind them stand the roots, and last a node that refers to all roots.
/// A hundred bytes an object and reference or less, and no more than the stream has.
/// </summary>
public sealed class HeapGraph
{
    private long[]? _retained;
    private PathTree? _paths;

    internal HeapGraph()
    {
    }

    /// <summary>How many objects there are.</summary>
    public int Objects => TypeOf.Length;

    /// <summary>
    /// Whether only a part of the heap was seen. A path to a root is true all the same; what an object retains cannot be known: what was not
    /// seen may hold it too.
    /// </summary>
    public bool IsPartial { get; init; }

    /// <summary>When it was taken; the default: not known.</summary>
    internal DateTimeOffset TakenAt { get; init; }

    internal int ProcessId { get; init; }

    internal int PointerSize { get; init; } = 8;

    internal ulong[] Addresses { get; init; } = [];

    /// <summary>Of each object; the highest number stands for what is in <see cref="LargeSizes"/>.</summary>
    internal uint[] Sizes { get; init; } = [];

    internal IReadOnlyDictionary<int, long> LargeSizes { get; init; } = new Dictionary<int, long>();

    internal int[] TypeOf { get; init; } = [];

    internal string[] TypeNames { get; init; } = [];

    /// <summary>Where the references of each node begin, and behind the last where they end.</summary>
    internal int[] Starts { get; init; } = [];

    internal int[] References { get; init; } = [];

    internal IReadOnlyList<HeapRoot> Roots { get; init; } = [];

    internal int Nodes => Starts.Length - 1;

    /// <summary>The node that refers to all roots.</summary>
    internal int Top => Nodes - 1;

    internal PathTree Paths => _paths ??= PathTree.Of(this);

    /// <summary>Which objects they are: a <see cref="TypeTable.Measure"/>.</summary>
    internal string Measure { get; init; } = TypeTable.LiveObjects;

    /// <summary>The types that hold the heap.</summary>
    /// <param name="maxRows">How many types at most; the sums are of all.</param>
    public TypeTable ToTable(int maxRows = TypeTable.MaxRows)
    {
        var (objects, bytes) = ByType();
        return new TypeTable
        {
            Measure = Measure,
            Objects = Objects,
            Bytes = bytes.Sum(),
            IsPartial = IsPartial,
            Rows = [.. Enumerable.Range(0, TypeNames.Length)
                .Where(type => objects[type] > 0)
                .OrderByDescending(type => bytes[type])
                .ThenBy(type => TypeNames[type], StringComparer.Ordinal)
                .Take(maxRows)
                .Select(type => new TypeRow(TypeNames[type], objects[type], bytes[type]))],
        };
    }

    /// <summary>
    /// The types that retain most, with the paths by which their objects are held. Of a heap that was seen in part: the types that hold most
    /// themselves.
    /// </summary>
    /// <param name="top">How many types at most.</param>
    /// <param name="paths">How many paths at most for each.</param>
    /// <param name="which">Which types, by their names; null: all.</param>
    public IReadOnlyList<RetainedType> Retention(int top = 20, int paths = 3, Func<string, bool>? which = null)
    {
        var (objects, bytes) = ByType();
        var retained = IsPartial ? null : Retained();
        var types = Enumerable.Range(0, TypeNames.Length)
            .Where(type => objects[type] > 0 && (which is null || which(TypeNames[type])))
            .OrderByDescending(type => (retained ?? bytes)[type])
            .ThenByDescending(type => bytes[type])
            .ThenBy(type => TypeNames[type], StringComparer.Ordinal)
            .Take(top)
            .ToList();
        var held = paths > 0 ? Paths.Of(types, paths) : null;
        return [.. types.Select(type => new RetainedType(TypeNames[type], objects[type], bytes[type], retained?[type], held?[type] ?? []))];
    }

    /// <summary>What is reached first from each root, by name: shortest paths, so that each object counts once. The one with most bytes first.</summary>
    public IReadOnlyList<KeyValuePair<string, long>> BytesByRoot()
    {
        var (places, roots) = (Paths.Places, new int[Paths.Places.Count]);
        var bytes = new Dictionary<int, long>();
        for (var i = 0; i < places.Count; i++)
        {
            // A place comes behind its parent.
            roots[i] = places[i].Parent < 0 ? i : roots[places[i].Parent];
            bytes[roots[i]] = bytes.GetValueOrDefault(roots[i]) + places[i].Bytes;
        }
        return [.. bytes.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key).Select(pair => KeyValuePair.Create(Paths.NameOf(pair.Key), pair.Value))];
    }

    /// <summary>
    /// The heap as a profile: an object's stack is the path by which a root holds it, a type a function; flat is what its objects hold
    /// themselves, cum what hangs on them.
    /// </summary>
    public PprofProfile ToProfile() => HeapProfile.Of(this);

    /// <summary>Writes the heap as a <c>.gcdump</c>, which PerfView and Visual Studio open.</summary>
    /// <exception cref="ArgumentException">The heap is larger than the format can say.</exception>
    public void WriteGcDump(Stream stream) => GcDump.Write(this, stream);

    /// <summary>Reads a heap snapshot, or a part of one, to its end; gzip or not.</summary>
    /// <exception cref="ProfileFormatException">It is no nettrace stream, or has no heap.</exception>
    public static HeapGraph Read(Stream stream) => ProfileContent.Read(stream, withGraph: true) is ProfileContent.Heap heap
        ? heap.Graph
        : throw new ProfileFormatException("the file has no heap with references", 0);

    internal long BytesOf(int node) => Sizes[node] is var bytes && bytes == uint.MaxValue && LargeSizes.TryGetValue(node, out var large) ? large : bytes;

    /// <summary>By type: what would go if its objects went. What hangs on two objects of one type counts once.</summary>
    internal long[] Retained() => _retained ??= DominatorTree.Of(this).RetainedByType(this);

    private (long[] Objects, long[] Bytes) ByType()
    {
        var (objects, bytes) = (new long[TypeNames.Length], new long[TypeNames.Length]);
        for (var i = 0; i < TypeOf.Length; i++)
        {
            objects[TypeOf[i]]++;
            bytes[TypeOf[i]] += BytesOf(i);
        }
        return (objects, bytes);
    }
}
