using System.Globalization;

namespace Premortem.Profiles.Report;

/// <summary>Reads <c>memory.csv</c>; docs/reference/memory-csv.md has its columns, which are found by their names.</summary>
public static class MemoryCsv
{
    // The sidecar writes fewer than eight thousand.
    private const int MostLines = 200_000;
    private const int LongestLine = 4096;

    /// <exception cref="InvalidDataException">It is none; the message names the line.</exception>
    public static IReadOnlyList<MemoryPoint> Read(TextReader csv)
    {
        ArgumentNullException.ThrowIfNull(csv);
        var columns = (csv.ReadLine() ?? "").Split(',');
        var (time, used, usage) = (Needed("time"), Needed("working_set_bytes"), Needed("usage_bytes"));
        var (limit, ceiling, kept) = (Column("limit_bytes"), Column("ceiling_bytes"), Column("unreclaimable_bytes"));
        var (heap, outside) = (Column("heap_bytes"), Column("outside_heap_bytes"));
        var points = new List<MemoryPoint>();
        for (var line = 2; csv.ReadLine() is { } text; line++)
        {
            if (text.Length == 0)
                continue;
            if (line > MostLines)
                throw Damaged(line, $"there are more than {MostLines} lines");
            if (text.Length > LongestLine)
                throw Damaged(line, $"it is longer than {LongestLine} characters");
            var fields = text.Split(',');
            if (fields.Length < columns.Length)
                throw Damaged(line, $"it has {fields.Length} fields where there are {columns.Length} columns");
            if (!DateTimeOffset.TryParse(fields[time], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at))
                throw Damaged(line, "its time is none");
            points.Add(new MemoryPoint(at, Number(used) ?? throw Damaged(line, "working_set_bytes is empty"), Number(usage) ?? throw Damaged(line, "usage_bytes is empty"), Number(limit), Number(ceiling))
            {
                UnreclaimableBytes = Number(kept),
                HeapAfterGcBytes = Number(heap),
                OutsideHeapBytes = Number(outside),
            });

            long? Number(int column)
            {
                if (column < 0 || fields[column].Length == 0)
                    return null;
                return long.TryParse(fields[column], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                    ? number
                    : throw Damaged(line, $"{columns[column]} is no number of bytes");
            }
        }
        return points;

        int Column(string name) => Array.IndexOf(columns, name);

        int Needed(string name) => Column(name) is >= 0 and var found ? found : throw Damaged(1, $"there is no column {name}");
    }

    private static InvalidDataException Damaged(int line, string problem) => new(string.Create(CultureInfo.InvariantCulture, $"line {line}: {problem}"));
}
