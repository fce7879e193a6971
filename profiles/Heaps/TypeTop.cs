using System.Globalization;

namespace Premortem.Profiles.Heaps;

/// <summary>A type table as it is printed: in the columns that <c>pprof -top</c> has, with objects in place of cum.</summary>
public sealed class TypeTop
{
    private readonly TypeTable _table;
    private readonly bool _byObjects;
    private readonly long _total;
    private readonly double _cutoff;
    private readonly int _fitting;

    /// <param name="total">What shares are of, in objects and in bytes.</param>
    private TypeTop(TypeTable table, (long Objects, long Bytes) total, bool byObjects, double fraction, int count)
    {
        (_table, _byObjects, _total) = (table, byObjects, byObjects ? total.Objects : total.Bytes);
        _cutoff = fraction * _total;
        var fitting = table.Rows.Where(row => Size(Flat(row)) >= _cutoff).OrderByDescending(row => Size(Flat(row))).ThenBy(row => row.Name, StringComparer.Ordinal).ToList();
        _fitting = fitting.Count;
        Rows = count > 0 ? [.. fitting.Take(count)] : fitting;
    }

    public IReadOnlyList<TypeRow> Rows { get; }

    /// <summary><see cref="TopOptions.SampleIndex"/> may be <c>bytes</c> or <c>objects</c>, or the names that pprof has for them.</summary>
    /// <exception cref="ArgumentException">The table does not have the sample type asked for.</exception>
    public static TypeTop Of(TypeTable table, TopOptions options) => Of(table, options, (table.Objects, table.Bytes));

    private static TypeTop Of(TypeTable table, TopOptions options, (long Objects, long Bytes) total)
    {
        var byObjects = options.SampleIndex switch
        {
            null or "bytes" or "space" or "inuse_space" or "alloc_space" or "0" => false,
            "objects" or "inuse_objects" or "alloc_objects" or "1" => true,
            var other => throw new ArgumentException($"a type table has bytes and objects, and no '{other}'"),
        };
        return new TypeTop(table, total, byObjects, options.NodeFraction, options.NodeCount);
    }

    /// <summary>A table less another: rows may be negative. <see cref="TopOptions.SharesOfBase"/> says what shares are of.</summary>
    /// <exception cref="ArgumentException">The tables do not count the same, or do not have the sample type asked for.</exception>
    public static TypeTop Difference(TypeTable table, TypeTable before, TopOptions options)
    {
        if (table.Measure != before.Measure)
            throw new ArgumentException($"{table.Measure} and {before.Measure} cannot be compared");
        // Whoever asks for parts of heaps to be subtracted gets that; the header says what they are.
        var rows = (table with { IsPartial = false }).Since(before with { IsPartial = false }).Select(change => new TypeRow(change.Name, change.Objects, change.Bytes)).ToList();
        var difference = table with { Rows = rows, IsPartial = table.IsPartial || before.IsPartial };
        // As with functions: of what is left, whatever its sign.
        var left = (Sum(rows.Select(row => Size(row.Objects))), Sum(rows.Select(row => Size(row.Bytes))));
        return Of(difference, options, options.SharesOfBase ? (before.Objects, before.Bytes) : left);
    }

    public void Write(TextWriter writer)
    {
        var shown = Sum(Rows.Select(Flat));
        writer.Write($"Type: {_table.Measure}{(_table.IsPartial ? " (only a part was seen)" : "")}\n");
        writer.Write($"Showing types accounting for {Format(shown)}, {Units.Percentage(shown, _total).TrimStart()} of {Format(_total)} total\n");
        if (_fitting < _table.Rows.Count)
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"Dropped {_table.Rows.Count - _fitting} types (flat < {Format((long)Math.Ceiling(_cutoff))})\n"));
        if (Rows.Count < _fitting)
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"Showing top {Rows.Count} types out of {_fitting}\n"));
        writer.Write(_byObjects ? "      flat  flat%   sum%      bytes  type\n" : "      flat  flat%   sum%    objects  type\n");
        long sum = 0;
        foreach (var row in Rows)
        {
            sum = Sum([sum, Flat(row)]);
            var other = _byObjects ? Bytes(row.Bytes) : Number(row.Objects);
            writer.Write($"{Format(Flat(row)),10} {Units.Percentage(Flat(row), _total)} {Units.Percentage(sum, _total)} {other,10}  {TopTable.Printable(row.Name)}\n");
        }
    }

    // A file may claim anything: no sum of its figures may fail.
    private static long Sum(IEnumerable<long> values)
    {
        Int128 sum = 0;
        foreach (var value in values)
            sum += value;
        return (long)Int128.Clamp(sum, long.MinValue, long.MaxValue);
    }

    /// <summary>Without its sign.</summary>
    private static long Size(long value) => value == long.MinValue ? long.MaxValue : Math.Abs(value);

    private static string Bytes(long bytes) => Units.Format(bytes, "bytes", Units.Auto);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    private string Format(long value) => _byObjects ? Number(value) : Bytes(value);

    private long Flat(TypeRow row) => _byObjects ? row.Objects : row.Bytes;
}
