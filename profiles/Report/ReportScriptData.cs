using System.Text;
using System.Text.Json;

namespace Premortem.Profiles.Report;

/// <summary>
/// What the page's script draws, as JSON inside of the page. The encoder leaves no <c>&lt;</c>, <c>&amp;</c> or quote and nothing beside
/// ASCII in a text, so that whatever a name is, the element ends where it should.
/// </summary>
internal static class ReportScriptData
{
    internal static string Of(ReportData data)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            if (MemorySeries.Of(data.Memory) is { } series)
                WriteMemory(json, data, series);
            json.WriteStartArray("flames");
            foreach (var flame in data.Flames)
                flame.Write(json);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.ASCII.GetString(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    /// <summary>Columns of numbers: milliseconds since the first, and bytes; what is not known is −1.</summary>
    private static void WriteMemory(Utf8JsonWriter json, ReportData data, MemorySeries series)
    {
        json.WriteStartObject("memory");
        json.WriteNumber("start", series.First.ToUnixTimeMilliseconds());
        Column("t", point => (long)(point.At - series.First).TotalMilliseconds, isAlways: true);
        Column("used", point => point.WorkingSetBytes, isAlways: true);
        Column("usage", point => point.UsageBytes);
        Column("limit", point => point.LimitBytes);
        Column("ceiling", point => point.CeilingBytes);
        Column("heap", point => point.HeapAfterGcBytes);
        Column("outside", point => point.OutsideHeapBytes);
        json.WriteEndObject();

        void Column(string key, Func<MemoryPoint, long?> value, bool isAlways = false)
        {
            if (!isAlways && !series.Points.Exists(point => value(point) is not null))
                return;
            json.WriteStartArray(key);
            foreach (var point in series.Points)
                json.WriteNumberValue(value(point) ?? -1);
            json.WriteEndArray();
        }
    }
}
