using System.Globalization;
using Premortem.Contracts;
using Premortem.Profiles.GoGc;

namespace Premortem.Cli.GcTraces;

/// <summary>Collections for people: a row each, what they come to, and the live heap as a picture.</summary>
internal static class GcTraceTable
{
    private const int Columns = 60, Rows = 8;
    private const string Eighths = " ▁▂▃▄▅▆▇█";

    private static readonly string[] s_header =
        ["GC", "AT", "PAUSE", "SWEEP", "MARK", "TERM", "CPU", "ASSIST", "BACKGR", "IDLE", "BEFORE", "AFTER", "LIVE", "GOAL", "STACKS", "P", ""];

    /// <param name="most">The last so many; 0: all.</param>
    /// <param name="isTerminal">Whether blocks can be drawn.</param>
    internal static void Write(GcTraceLog log, int most, bool isTerminal, TextWriter output)
    {
        var shown = log.Cycles.Skip(most > 0 ? Math.Max(0, log.Cycles.Count - most) : 0).ToList();
        List<string[]> rows = [s_header, .. shown.Select(Cells)];
        var widths = Enumerable.Range(0, s_header.Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
            output.WriteLine(string.Join("  ", row.Select((cell, i) => i == row.Length - 1 ? cell : cell.PadLeft(widths[i]))).TrimEnd());
        if (shown.Count < log.Cycles.Count)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"({log.Cycles.Count - shown.Count} before these; --rows=0 shows all)"));
        output.WriteLine();
        var summary = GcSummary.Of(log.Cycles);
        WriteSummary(log, summary, output);
        output.WriteLine();
        WriteChart([.. log.Cycles.TakeLast(summary.Collections)], isTerminal, output);
    }

    private static string[] Cells(GcCycle cycle) =>
    [
        cycle.Number.ToString(CultureInfo.InvariantCulture),
        string.Create(CultureInfo.InvariantCulture, $"{cycle.At.TotalSeconds:0.000}s"),
        Time(cycle.Pause),
        Time(cycle.Wall.SweepTermination),
        Time(cycle.Wall.Mark),
        Time(cycle.Wall.MarkTermination),
        Time(cycle.Cpu.Total),
        Time(cycle.Cpu.Assist),
        Time(cycle.Cpu.Background),
        Time(cycle.Cpu.Idle),
        Quantity.ForPeople(cycle.HeapBefore),
        Quantity.ForPeople(cycle.HeapAfter),
        Quantity.ForPeople(cycle.LiveHeap),
        Quantity.ForPeople(cycle.Goal),
        cycle.Stacks is { } stacks ? Quantity.ForPeople(stacks) : "-",
        cycle.Processors.ToString(CultureInfo.InvariantCulture),
        cycle.Forced ? "forced" : "",
    ];

    private static void WriteSummary(GcTraceLog log, GcSummary it, TextWriter output)
    {
        Line($"{it.Collections} collections in {it.Over.TotalSeconds:0.#} s, {it.Forced} of them forced");
        if (it.Restarts > 0)
            Line($"  the program was started anew {it.Restarts} times in this log; these figures are of the last time");
        if (log.Damaged > 0)
            Line($"  {log.Damaged} lines of collections are not whole, as something else was written into them, and are left out");
        if (log.IsCut)
            Line($"  only the first {GcTraceLog.MostCycles} are read");
        if (it.CpuShare is { } share)
            Line($"CPU: {share:0.0%} of what the processors can do; {it.AssistShare:0%} of it by goroutines that had to assist");
        Line($"pauses: half within {Time(it.PauseMedian)}, 99 % within {Time(it.Pause99)}, the longest {Time(it.PauseMost)}");
        if (it.LiveBytesPerMinute is { } slope)
            Line($"live heap: {(slope < 0 ? "-" : "+")}{Quantity.ForPeople((long)Math.Abs(slope))} a minute");
        var floors = string.Join(" → ", it.Floors.Select(Quantity.ForPeople));
        output.WriteLine(it.IsFloorRising switch
        {
            null => "floor: too few collections to tell whether it rises",
            true => $"floor: {floors}: it rises: what is live after collections grows, as with a leak",
            false => $"floor: {floors}: it does not rise",
        });

        void Line(FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));
    }

    private static void WriteChart(List<GcCycle> cycles, bool isTerminal, TextWriter output)
    {
        var (from, over) = (cycles[0].At, cycles[^1].At - cycles[0].At);
        var columns = new long?[Math.Min(Columns, cycles.Count)];
        foreach (var cycle in cycles)
        {
            var column = over > TimeSpan.Zero ? Math.Min(columns.Length - 1, (int)((cycle.At - from) * columns.Length / over)) : 0;
            columns[column] = Math.Max(columns[column] ?? 0, cycle.LiveHeap);
        }
        var most = Math.Max(1, cycles.Max(cycle => cycle.LiveHeap));
        var label = Quantity.ForPeople(most);
        output.WriteLine("live heap after each collection");
        for (var row = Rows - 1; row >= 0; row--)
        {
            long last = 0;
            var line = string.Concat(columns.Select(column =>
            {
                // Where none was, it is as it was before.
                last = column ?? last;
                var eighths = (int)Math.Clamp(Math.Round(last * (double)Rows * 8 / most) - (row * 8), 0, 8);
                return isTerminal ? Eighths[eighths] : eighths >= 4 ? '#' : ' ';
            }));
            output.WriteLine($"{(row == Rows - 1 ? label : row == 0 ? "0" : "").PadLeft(label.Length)} |{line.TrimEnd()}");
        }
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"".PadLeft(label.Length)} {from.TotalSeconds:0.#}s to {cycles[^1].At.TotalSeconds:0.#}s"));
    }

    private static string Time(TimeSpan time) =>
        time.TotalSeconds >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.00}s")
        : time.TotalMilliseconds >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.0}ms")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalMicroseconds:0}µs");
}
