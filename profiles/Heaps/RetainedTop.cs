using System.Globalization;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// The types of a heap by what they retain, as it is printed. What one type retains, another may retain too: an order its lines, and the list
/// both. The shares do not add up to a whole.
/// </summary>
public sealed class RetainedTop
{
    private readonly IReadOnlyList<Row> _types;
    private readonly long _total;
    private readonly string _measure;

    /// <param name="total">What shares are of.</param>
    private RetainedTop(IEnumerable<Row> types, long total, string measure) =>
        (_measure, _total, _types) = (measure, total, [.. types.OrderByDescending(type => Math.Abs(type.Retained)).ThenByDescending(type => Math.Abs(type.Bytes)).ThenBy(type => type.Name, StringComparer.Ordinal)]);

    /// <summary>The heap itself may go then.</summary>
    /// <exception cref="ArgumentException">Only a part of the heap was seen.</exception>
    public static RetainedTop Of(HeapGraph graph)
    {
        if (graph.IsPartial)
            throw new ArgumentException("only a part of the heap was seen: what was not seen may hold the same objects, and what a type retains cannot be known; without -retained there is what the types hold themselves");
        var types = graph.Retention(int.MaxValue, paths: 0);
        return new RetainedTop(types.Select(type => new Row(type.Name, type.Retained.GetValueOrDefault(), type.Bytes, type.Objects)), types.Sum(type => type.Bytes), graph.Measure);
    }

    /// <summary>What types retain more than before, or less.</summary>
    /// <param name="sharesOfBase">Whether shares are of what the heap held before; otherwise of all that is different.</param>
    /// <exception cref="ArgumentException">One of the two has more than live objects.</exception>
    public RetainedTop Since(RetainedTop before, bool sharesOfBase)
    {
        if (_measure != before._measure)
            throw new ArgumentException($"{_measure}, and {before._measure}, cannot be compared");
        var rows = _types.ToDictionary(type => type.Name);
        foreach (var was in before._types)
        {
            var now = rows.GetValueOrDefault(was.Name);
            rows[was.Name] = new Row(was.Name, now.Retained - was.Retained, now.Bytes - was.Bytes, now.Objects - was.Objects);
        }
        var changed = rows.Values.Where(row => (row.Retained, row.Bytes, row.Objects) != (0, 0, 0)).ToList();
        return new RetainedTop(changed, sharesOfBase ? before._total : changed.Sum(row => Math.Abs(row.Bytes)), _measure);
    }

    public void Write(TopOptions options, TextWriter writer)
    {
        var fitting = _types.Where(type => Math.Abs(type.Retained) >= options.NodeFraction * _total).ToList();
        var shown = options.NodeCount > 0 ? fitting.Take(options.NodeCount).ToList() : fitting;
        writer.Write($"Type: {_measure}\n");
        writer.Write(string.Create(CultureInfo.InvariantCulture, $"Showing {shown.Count} types out of {_types.Count}, of {Bytes(_total)} total\n"));
        if (fitting.Count < _types.Count)
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"Dropped {_types.Count - fitting.Count} types (retained < {Bytes((long)Math.Ceiling(options.NodeFraction * _total))})\n"));
        writer.Write("  retained    ret%       flat  flat%    objects  type\n");
        foreach (var type in shown)
            writer.Write(string.Create(
                CultureInfo.InvariantCulture,
                $"{Bytes(type.Retained),10} {Units.Percentage(type.Retained, _total),7} {Bytes(type.Bytes),10} {Units.Percentage(type.Bytes, _total)} {type.Objects,10}  {TopTable.Printable(type.Name)}\n"));
    }

    private static string Bytes(long bytes) => Units.Format(bytes, "bytes", Units.Auto);

    private readonly record struct Row(string Name, long Retained, long Bytes, long Objects);
}
