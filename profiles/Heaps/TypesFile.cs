using System.Text.Json;

namespace Premortem.Profiles.Heaps;

/// <summary>Writes and reads <c>types.json</c>.</summary>
public static class TypesFile
{
    /// <summary>A thousand rows with the longest names that are kept come nowhere near this.</summary>
    private const long MaxBytes = 16 << 20;

    /// <summary>Writes the first <see cref="TypeTable.MaxRows"/> types, and what the others hold in one sum.</summary>
    public static void Write(Stream stream, TypeTable table)
    {
        var rows = table.Rows.Take(TypeTable.MaxRows).ToList();
        var rest = new RestOfTypes(table.Objects - rows.Sum(row => row.Objects), table.Bytes - rows.Sum(row => row.Bytes));
        var document = new TypesDocument
        {
            Measure = table.Measure,
            Objects = table.Objects,
            Bytes = table.Bytes,
            IsPartial = table.IsPartial,
            Types = rows,
            Rest = rest is { Objects: 0, Bytes: 0 } ? null : rest,
        };
        JsonSerializer.Serialize(stream, document, TypesJson.Default.TypesDocument);
    }

    /// <exception cref="ProfileFormatException">It is no type table.</exception>
    public static TypeTable Read(Stream stream)
    {
        try
        {
            var (data, length) = Pprof.ProfileBytes.Read(stream, MaxBytes);
            var document = JsonSerializer.Deserialize(data.AsSpan(0, length), TypesJson.Default.TypesDocument);
            if (document?.Schema != TypesDocument.SchemaVersion)
                throw new ProfileFormatException($"the JSON is no type table: its schema is '{document?.Schema}' and not '{TypesDocument.SchemaVersion}'", 0);
            return new TypeTable
            {
                Measure = document.Measure,
                Objects = document.Objects,
                Bytes = document.Bytes,
                IsPartial = document.IsPartial,
                Rows = [.. document.Types.OrderByDescending(row => row.Bytes).ThenBy(row => row.Name, StringComparer.Ordinal)],
            };
        }
        catch (JsonException e)
        {
            throw new ProfileFormatException($"the JSON is no type table: {e.Message}", e.BytePositionInLine ?? 0, inner: e);
        }
    }
}
