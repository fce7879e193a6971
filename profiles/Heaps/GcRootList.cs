using System.Globalization;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Heaps;

/// <summary>What holds a heap's objects, as it is printed: the paths from the roots, for all objects of a type at once.</summary>
public static class GcRootList
{
    /// <param name="expression">Which types, by their names.</param>
    /// <param name="types">How many at most; 0: all.</param>
    /// <param name="paths">How many for each at most; 0: all.</param>
    /// <returns>Whether there is such a type.</returns>
    /// <exception cref="ArgumentException">It is no regular expression.</exception>
    public static bool Write(HeapGraph graph, string expression, TextWriter writer, int types = 10, int paths = 3)
    {
        var regex = Expression.Of("regex", expression);
        var found = graph.Retention(Bound(types), Bound(paths), name => regex is null || regex.IsMatch(name));
        if (found.Count > 0 && graph.IsPartial)
            writer.Write("Only a part of the heap was seen: these paths are there, others may be; what objects retain is not known.\n");
        for (var i = 0; i < found.Count; i++)
        {
            if (i > 0)
                writer.Write('\n');
            Write(writer, found[i]);
        }
        return found.Count > 0;
    }

    private static int Bound(int count) => count > 0 ? count : int.MaxValue;

    private static void Write(TextWriter writer, RetainedType type)
    {
        var retained = type.Retained is { } bytes ? $", {Bytes(bytes)} retained" : "";
        writer.Write($"{TopTable.Printable(type.Name)}: {Objects(type.Objects)}, {Bytes(type.Bytes)}{retained}\n");
        foreach (var path in type.Paths)
        {
            writer.Write($"  {Objects(path.Objects)}, {Bytes(path.Bytes)}\n");
            foreach (var step in path.Steps)
                writer.Write($"    -> {TopTable.Printable(step)}\n");
        }
        if (type.Objects - type.Paths.Sum(path => path.Objects) is > 0 and var others)
            writer.Write($"  {Objects(others)} by other paths\n");
    }

    private static string Objects(long count) => string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? "object" : "objects")}");

    private static string Bytes(long bytes) => Units.Format(bytes, "bytes", Units.Auto);
}
