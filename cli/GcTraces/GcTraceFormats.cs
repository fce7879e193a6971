using System.Globalization;
using System.Text;
using System.Text.Json;
using Premortem.Profiles.GoGc;

namespace Premortem.Cli.GcTraces;

/// <summary>Collections for programs: times in seconds, sizes in bytes.</summary>
internal static class GcTraceFormats
{
    private static readonly (string Name, Func<GcCycle, double?> Value)[] s_fields =
    [
        ("number", cycle => cycle.Number),
        ("at", cycle => cycle.At.TotalSeconds),
        ("gcPercent", cycle => cycle.GcPercent),
        ("pause", cycle => cycle.Pause.TotalSeconds),
        ("wallSweepTermination", cycle => cycle.Wall.SweepTermination.TotalSeconds),
        ("wallMark", cycle => cycle.Wall.Mark.TotalSeconds),
        ("wallMarkTermination", cycle => cycle.Wall.MarkTermination.TotalSeconds),
        ("cpuSweepTermination", cycle => cycle.Cpu.SweepTermination.TotalSeconds),
        ("cpuAssist", cycle => cycle.Cpu.Assist.TotalSeconds),
        ("cpuBackground", cycle => cycle.Cpu.Background.TotalSeconds),
        ("cpuIdle", cycle => cycle.Cpu.Idle.TotalSeconds),
        ("cpuMarkTermination", cycle => cycle.Cpu.MarkTermination.TotalSeconds),
        ("heapBefore", cycle => cycle.HeapBefore),
        ("heapAfter", cycle => cycle.HeapAfter),
        ("liveHeap", cycle => cycle.LiveHeap),
        ("goal", cycle => cycle.Goal),
        ("stacks", cycle => cycle.Stacks),
        ("globals", cycle => cycle.Globals),
        ("processors", cycle => cycle.Processors),
    ];

    internal static void WriteCsv(GcTraceLog log, TextWriter output)
    {
        output.WriteLine(string.Join(',', s_fields.Select(field => field.Name).Append("forced")));
        foreach (var cycle in log.Cycles)
            output.WriteLine(string.Join(',', s_fields.Select(field => field.Value(cycle)?.ToString(CultureInfo.InvariantCulture) ?? "").Append(cycle.Forced ? "true" : "false")));
    }

    internal static void WriteJson(GcTraceLog log, TextWriter output)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartArray("collections");
            foreach (var cycle in log.Cycles)
            {
                json.WriteStartObject();
                foreach (var (name, value) in s_fields)
                    Number(json, name, value(cycle));
                json.WriteBoolean("forced", cycle.Forced);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteNumber("damagedLines", log.Damaged);
            var summary = GcSummary.Of(log.Cycles);
            json.WriteStartObject("summary");
            json.WriteNumber("collections", summary.Collections);
            json.WriteNumber("forced", summary.Forced);
            json.WriteNumber("restarts", summary.Restarts);
            json.WriteNumber("seconds", summary.Over.TotalSeconds);
            Number(json, "cpuShare", summary.CpuShare);
            json.WriteNumber("assistShare", summary.AssistShare);
            json.WriteNumber("pauseMedian", summary.PauseMedian.TotalSeconds);
            json.WriteNumber("pause99", summary.Pause99.TotalSeconds);
            json.WriteNumber("pauseMost", summary.PauseMost.TotalSeconds);
            Number(json, "liveBytesPerMinute", summary.LiveBytesPerMinute);
            json.WriteStartArray("floors");
            foreach (var floor in summary.Floors)
                json.WriteNumberValue(floor);
            json.WriteEndArray();
            if (summary.IsFloorRising is { } rises)
                json.WriteBoolean("floorRises", rises);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        output.WriteLine(Encoding.UTF8.GetString(buffer.ToArray()));
    }

    private static void Number(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
            json.WriteNumber(name, number);
    }
}
