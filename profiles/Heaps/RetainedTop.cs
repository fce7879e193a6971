using System.Globalization;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// The types of a heap by what they retain, as it is printed. What one type retains, another may retain too: an order its lines, and the list
/// both. The shares do not add up to a whole.
/// </summary>
public static class RetainedTop
{
    /// <exception cref="ArgumentException">Only a part of the heap was seen.</exception>
    public static void Write(HeapGraph graph, TopOptions options, TextWriter writer)
    {
        if (graph.IsPartial)
            throw new ArgumentException("only a part of the heap was seen: what was not seen may hold the same objects, and what a type retains cannot be known; without -retained there is what the types hold themselves");
        var types = graph.Retention(int.MaxValue, paths: 0);
        var total = types.Sum(type => type.Bytes);
        var fitting = types.Where(type => type.Retained >= options.NodeFraction * total).ToList();
        var shown = options.NodeCount > 0 ? fitting.Take(options.NodeCount).ToList() : fitting;
        writer.Write($"Type: {TypeTable.LiveObjects}\n");
        writer.Write(string.Create(CultureInfo.InvariantCulture, $"Showing {shown.Count} types out of {types.Count}, of {Bytes(total)} total\n"));
        if (fitting.Count < types.Count)
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"Dropped {types.Count - fitting.Count} types (retained < {Bytes((long)Math.Ceiling(options.NodeFraction * total))})\n"));
        writer.Write("  retained    ret%       flat  flat%    objects  type\n");
        foreach (var type in shown)
        {
            var retained = type.Retained.GetValueOrDefault();
            writer.Write(string.Create(
                CultureInfo.InvariantCulture,
                $"{Bytes(retained),10} {Units.Percentage(retained, total),7} {Bytes(type.Bytes),10} {Units.Percentage(type.Bytes, total)} {type.Objects,10}  {TopTable.Printable(type.Name)}\n"));
        }
    }

    private static string Bytes(long bytes) => Units.Format(bytes, "bytes", Units.Auto);
}
