using System.Globalization;

namespace Premortem.Profiles.Heaps;

/// <summary>A type table as it is printed: in the columns that <c>pprof -top</c> has, with objects in place of cum.</summary>
public sealed class TypeTop
{
    private readonly TypeTable _table;
    private readonly bool _byObjects;
    private readonly double _cutoff;
    private readonly int _fitting;

    private TypeTop(TypeTable table, bool byObjects, double fraction, int count)
    {
        (_table, _byObjects) = (table, byObjects);
        _cutoff = fraction * Total;
        var fitting = table.Rows.Where(row => Math.Abs(Flat(row)) >= _cutoff).OrderByDescending(Flat).ThenBy(row => row.Name, StringComparer.Ordinal).ToList();
        _fitting = fitting.Count;
        Rows = count > 0 ? [.. fitting.Take(count)] : fitting;
    }

    public IReadOnlyList<TypeRow> Rows { get; }

    private long Total => _byObjects ? _table.Objects : _table.Bytes;

    /// <summary><see cref="TopOptions.SampleIndex"/> may be <c>bytes</c> or <c>objects</c>, or the names that pprof has for them.</summary>
    /// <exception cref="ArgumentException">The table does not have the sample type asked for.</exception>
    public static TypeTop Of(TypeTable table, TopOptions options)
    {
        var byObjects = options.SampleIndex switch
        {
            null or "bytes" or "space" or "inuse_space" or "alloc_space" or "0" => false,
            "objects" or "inuse_objects" or "alloc_objects" or "1" => true,
            var other => throw new ArgumentException($"a type table has bytes and objects, and no '{other}'"),
        };
        return new TypeTop(table, byObjects, options.NodeFraction, options.NodeCount);
    }

    public void Write(TextWriter writer)
    {
        var shown = Rows.Sum(Flat);
        writer.Write($"Type: {_table.Measure}{(_table.IsPartial ? " (only a part was seen)" : "")}\n");
        writer.Write($"Showing types accounting for {Format(shown)}, {Units.Percentage(shown, Total).TrimStart()} of {Format(Total)} total\n");
        if (_fitting < _table.Rows.Count)
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"Dropped {_table.Rows.Count - _fitting} types (flat < {Format((long)Math.Ceiling(_cutoff))})\n"));
        if (Rows.Count < _fitting)
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"Showing top {Rows.Count} types out of {_fitting}\n"));
        writer.Write(_byObjects ? "      flat  flat%   sum%      bytes  type\n" : "      flat  flat%   sum%    objects  type\n");
        long sum = 0;
        foreach (var row in Rows)
        {
            sum += Flat(row);
            var other = _byObjects ? Bytes(row.Bytes) : Number(row.Objects);
            writer.Write($"{Format(Flat(row)),10} {Units.Percentage(Flat(row), Total)} {Units.Percentage(sum, Total)} {other,10}  {TopTable.Printable(row.Name)}\n");
        }
    }

    private static string Bytes(long bytes) => Units.Format(bytes, "bytes", Units.Auto);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    private string Format(long value) => _byObjects ? Number(value) : Bytes(value);

    private long Flat(TypeRow row) => _byObjects ? row.Objects : row.Bytes;
}
