using System.Runtime.InteropServices;

namespace Premortem.Profiles.Heaps;

/// <summary>Objects and bytes by type, in memory that no process can make grow: what comes after <see cref="MaxTypes"/> goes into one sum.</summary>
internal sealed class TypeTally
{
    internal const int MaxTypes = 20_000;
    internal const int MaxNames = 40_000;
    internal const int MaxNameLength = 512;
    internal const int MaxNameCharacters = 3_000_000;

    private readonly Dictionary<ulong, Sum> _sums = [];
    private readonly Dictionary<ulong, string> _names = [];
    private int _nameCharacters;
    private Sum _others;

    // Whole numbers up to 2^53, and never an overflow.
    private struct Sum
    {
        public double Objects;
        public double Bytes;
    }

    public bool IsEmpty => _sums.Count == 0;

    public void Add(ulong type, double objects, double bytes)
    {
        if (_sums.Count >= MaxTypes && !_sums.ContainsKey(type))
        {
            _others.Objects += objects;
            _others.Bytes += bytes;
            return;
        }
        ref var sum = ref CollectionsMarshal.GetValueRefOrAddDefault(_sums, type, out _);
        sum.Objects += objects;
        sum.Bytes += bytes;
    }

    /// <summary>Notes what a type is called. A name may come before its objects, or after them.</summary>
    public void Name(ulong type, ReadOnlySpan<char> name)
    {
        if (name.IsEmpty || _names.Count >= MaxNames || _nameCharacters >= MaxNameCharacters || _names.ContainsKey(type))
            return;
        var text = Kept(name);
        _nameCharacters += text.Length;
        _names.Add(type, text);
    }

    /// <summary>As much of a name as is kept.</summary>
    internal static string Kept(ReadOnlySpan<char> name) => name.Length > MaxNameLength ? string.Concat(name[..MaxNameLength], "…") : name.ToString();

    public TypeTable ToTable(string measure, bool isPartial, int maxRows)
    {
        var rows = new Dictionary<string, Sum>();
        var (objects, bytes) = (_others.Objects, _others.Bytes);
        foreach (var (type, sum) in _sums)
        {
            objects += sum.Objects;
            bytes += sum.Bytes;
            // One name may stand for several types: of two assemblies, or nested in two classes, which the runtime does not tell.
            ref var row = ref CollectionsMarshal.GetValueRefOrAddDefault(rows, _names.GetValueOrDefault(type, "(unnamed)"), out _);
            row.Objects += sum.Objects;
            row.Bytes += sum.Bytes;
        }
        return new TypeTable
        {
            Measure = measure,
            Objects = Whole(objects),
            Bytes = Whole(bytes),
            Rows = [.. rows
                .OrderByDescending(row => row.Value.Bytes)
                .ThenBy(row => row.Key, StringComparer.Ordinal)
                .Take(maxRows)
                .Select(row => new TypeRow(row.Key, Whole(row.Value.Objects), Whole(row.Value.Bytes)))],
            IsPartial = isPartial,
        };
    }

    private static long Whole(double value) => (long)Math.Min(Math.Round(value), 1L << 62);
}
