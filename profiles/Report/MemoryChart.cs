using System.Globalization;
using System.Text;
using Premortem.Contracts;

namespace Premortem.Profiles.Report;

/// <summary>Memory over time as an SVG: the lines that matter, what fired, what was captured when, and the end.</summary>
internal sealed class MemoryChart
{
    private const double Left = 78;
    private const double Right = 20;
    private const double Top = 50;
    private const double Width = 1000;
    private const double PlotHeight = 270;
    private const double PlotRight = Width - Right;
    private const double Bottom = Top + PlotHeight;
    private const double Lane = 17;
    private const int MaxLanes = 16;
    private const int MaxTriggers = 20;

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static readonly double[] Steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

    private readonly StringBuilder _svg = new();
    private readonly ReportData _data;
    private readonly MemorySeries _series;
    private readonly DateTimeOffset _from;
    private readonly DateTimeOffset _to;
    private readonly long _highest;
    private readonly List<Artifact> _lanes;
    private readonly List<string> _outside = [];

    private MemoryChart(ReportData data, MemorySeries series)
    {
        (_data, _series) = (data, series);
        // What is far from the samples, as after a clock has jumped, would squeeze them into a line: it is named below the chart.
        var reach = series.Last - series.First > Minute ? series.Last - series.First : Minute;
        var (from, to) = (series.First, series.Last);
        var record = data.Record;
        foreach (var (what, at) in Moments(record))
            if (at < series.First - reach || at > series.Last + reach)
                _outside.Add($"{what} at {at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} UTC");
            else
                (from, to) = (at < from ? at : from, at > to ? at : to);
        if (to - from < TimeSpan.FromMilliseconds(100))
            (from, to) = (from - TimeSpan.FromMilliseconds(50), to + TimeSpan.FromMilliseconds(50));
        var margin = (to - from) / 50;
        (_from, _to) = (from - margin, to + margin);
        var highest = series.Points.Max(point => Math.Max(point.UsageBytes, Math.Max(point.LimitBytes ?? 0, point.CeilingBytes ?? 0)));
        // A limit far above the memory is told in words instead: drawn, it would press the memory flat.
        var shown = Math.Max(series.PeakBytes, series.Points.Max(point => point.UsageBytes));
        _highest = Math.Max(1, highest > Math.Max(shown, 1) * 8.0 ? (long)(shown * 1.3) : (long)(highest * 1.08));
        _lanes = [.. record.Artifacts.Where(artifact => artifact is { IsCapture: true, StartedAt: { } at } && IsInside(at)).OrderBy(artifact => artifact.StartedAt).Take(MaxLanes)];
    }

    private double Height => Bottom + (_lanes.Count > 0 ? (_lanes.Count * Lane) + 10 : 0) + 26;

    /// <summary>The chart, or null where there are no samples.</summary>
    internal static string? Draw(ReportData data) => MemorySeries.Of(data.Memory) is { } series ? new MemoryChart(data, series).Draw() : null;

    private static IEnumerable<(string What, DateTimeOffset At)> Moments(CaptureRecord record)
    {
        foreach (var trigger in record.AlsoFired.Prepend(record.Trigger).Take(MaxTriggers))
            yield return ("trigger " + trigger.Name, trigger.At);
        foreach (var artifact in record.Artifacts.Take(100))
        {
            if (artifact.StartedAt is { } start)
                yield return (artifact.Type + " started", start);
            if (artifact.CompletedAt is { } end)
                yield return (artifact.Type + " ended", end);
        }
        if (record.DiedAt is { } died)
            yield return ("the end", died);
    }

    private string Draw()
    {
        _svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width:0} {Height:0}\" data-left=\"{Left:0}\" data-right=\"{PlotRight:0}\" data-top=\"{Top:0}\" data-bottom=\"{Bottom:0}\" data-highest=\"{_highest}\" data-from=\"{_from.ToUnixTimeMilliseconds()}\" data-to=\"{_to.ToUnixTimeMilliseconds()}\" role=\"img\" aria-label=\"{Html.Encode(Summary())}\">");
        DrawGrid();
        DrawMemory();
        DrawLevels();
        DrawMoments();
        DrawCaptures();
        _svg.Append("</svg>");
        _svg.Append("<div class=\"legend\"><span><i style=\"color:var(--memory)\"></i>working set</span>");
        if (_series.Points.Exists(point => point.UsageBytes > point.WorkingSetBytes))
            _svg.Append("<span><i style=\"color:var(--usage)\"></i>usage, with file cache</span>");
        if (_series.Points.Exists(point => point.HeapAfterGcBytes is not null))
            _svg.Append("<span><i style=\"color:var(--good)\"></i>heap after each GC</span>");
        if (_series.Points.Exists(point => point.OutsideHeapBytes is not null))
            _svg.Append("<span><i style=\"color:var(--threshold);border-top-style:dotted\"></i>outside of the heap</span>");
        if (_lanes.Count > 0)
            _svg.Append("<span><i style=\"color:var(--capture)\"></i>captured</span>");
        _svg.Append("</div>");
        foreach (var missing in _outside.Take(10))
            _svg.Append(CultureInfo.InvariantCulture, $"<p class=\"note\">Outside of the chart: {Html.Encode(missing)}.</p>");
        return _svg.ToString();
    }

    private string Summary()
    {
        var last = _series.Points[^1];
        var limit = last.LimitBytes is { } bytes ? "of a limit of " + Quantity.ForPeople(bytes) : "without a limit";
        return $"Memory over {(_series.Last - _series.First).TotalSeconds:0.#} seconds, up to {Quantity.ForPeople(_series.PeakBytes)} {limit}";
    }

    private void DrawGrid()
    {
        var step = 1L << 10;
        // Powers of two, as limits are.
        while (_highest / step > 6 && step < 1L << 60)
            step *= 2;
        for (var bytes = 0L; bytes <= _highest; bytes += step)
        {
            _svg.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left:0.#}\" x2=\"{PlotRight:0.#}\" y1=\"{Y(bytes):0.#}\" y2=\"{Y(bytes):0.#}\"/>");
            _svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left - 9:0.#}\" y=\"{Y(bytes) + 4:0.#}\" text-anchor=\"end\">{Quantity.ForPeople(bytes)}</text>");
        }
        var seconds = (_to - _from).TotalSeconds;
        var every = Array.Find(Steps, s => seconds / s <= 9) is var found and > 0 ? found : Math.Ceiling(seconds / 9 / 86400) * 86400;
        var everyTicks = (long)(every * TimeSpan.TicksPerSecond);
        var format = every >= 86400 ? "MMM d" : every >= 60 ? "HH:mm" : every >= 1 ? "HH:mm:ss" : every >= 0.1 ? "HH:mm:ss.f" : "HH:mm:ss.ff";
        var y = Height - 8;
        for (var ticks = ((_from.UtcTicks / everyTicks) + 1) * everyTicks; ticks <= _to.UtcTicks; ticks += everyTicks)
        {
            var at = new DateTimeOffset(ticks, TimeSpan.Zero);
            _svg.Append(CultureInfo.InvariantCulture, $"<line class=\"grid tick\" x1=\"{X(at):0.#}\" x2=\"{X(at):0.#}\" y1=\"{Top:0.#}\" y2=\"{Height - 24:0.#}\"/>");
            // The leftmost would run into the unit.
            if (X(at) is > Left + 30 and < Width - 28)
                _svg.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{X(at):0.#}\" y=\"{y:0.#}\" text-anchor=\"middle\">{at.ToString(format, CultureInfo.InvariantCulture)}</text>");
        }
        _svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left - 9:0.#}\" y=\"{y:0.#}\" text-anchor=\"end\">UTC</text>");
    }

    private void DrawMemory()
    {
        var points = _series.Points;
        var line = Path(points.Select(point => (X(point.At), Y(point.WorkingSetBytes))));
        _svg.Append(CultureInfo.InvariantCulture, $"<path class=\"area\" d=\"{line}L{X(points[^1].At):0.#} {Bottom:0.#}L{X(points[0].At):0.#} {Bottom:0.#}Z\"/>");
        if (points.Exists(point => point.UsageBytes > point.WorkingSetBytes))
            _svg.Append(CultureInfo.InvariantCulture, $"<path class=\"usage\" d=\"{Path(points.Select(point => (X(point.At), Y(point.UsageBytes))))}\"/>");
        DrawFigure("heap", point => point.HeapAfterGcBytes);
        DrawFigure("outside", point => point.OutsideHeapBytes);
        _svg.Append(CultureInfo.InvariantCulture, $"<path class=\"memory\" d=\"{line}\"/>");
        if (points.Count == 1)
            _svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{X(points[0].At):0.#}\" cy=\"{Y(points[0].WorkingSetBytes):0.#}\" r=\"3\" fill=\"var(--memory)\"/>");
    }

    /// <summary>What the runtime says now and then: it holds until it says something else, and ends where it is not known.</summary>
    private void DrawFigure(string style, Func<MemoryPoint, long?> figure)
    {
        var path = new StringBuilder();
        long? current = null;
        foreach (var point in _series.Points)
        {
            var next = figure(point);
            if (next == current)
                continue;
            if (current is not null)
                path.Append(CultureInfo.InvariantCulture, $"L{X(point.At):0.#} {Y(current.Value):0.#}");
            if (next is { } bytes)
                path.Append(CultureInfo.InvariantCulture, $"{(current is null ? 'M' : 'L')}{X(point.At):0.#} {Y(bytes):0.#}");
            current = next;
        }
        if (current is { } last)
            path.Append(CultureInfo.InvariantCulture, $"L{X(_series.Last):0.#} {Y(last):0.#}");
        if (path.Length > 0)
            _svg.Append(CultureInfo.InvariantCulture, $"<path class=\"{style}\" d=\"{path}\"/>");
    }

    private void DrawLevels()
    {
        var taken = new List<double>();
        DrawSteps("limit", "limit", point => point.LimitBytes, taken);
        DrawSteps("ceiling", "ceiling", point => point.CeilingBytes == point.LimitBytes ? null : point.CeilingBytes, taken);
        foreach (var threshold in _data.Thresholds.Take(20))
        {
            if (threshold.Bytes > _highest || threshold.Bytes < 0)
                continue;
            var y = Y(threshold.Bytes);
            _svg.Append(CultureInfo.InvariantCulture, $"<line class=\"threshold\" x1=\"{Left:0.#}\" x2=\"{PlotRight:0.#}\" y1=\"{y:0.#}\" y2=\"{y:0.#}\"/>");
            LabelLevel("threshold", $"{Html.Encode(threshold.Label)} ({Quantity.ForPeople(threshold.Bytes)})", y, taken);
        }
    }

    /// <summary>A level that may change while the target runs.</summary>
    private void DrawSteps(string style, string label, Func<MemoryPoint, long?> level, List<double> taken)
    {
        var path = new StringBuilder();
        long? current = null;
        foreach (var point in _series.Points)
        {
            var next = level(point) is { } bytes && bytes <= _highest ? bytes : (long?)null;
            if (next == current)
                continue;
            // The first known one is drawn from the left edge, as it held before.
            var x = path.Length == 0 && current is null && point == _series.Points[0] ? Left : X(point.At);
            if (current is not null)
                path.Append(CultureInfo.InvariantCulture, $"H{x:0.#}");
            if (next is { } height)
                path.Append(CultureInfo.InvariantCulture, $"{(current is null ? "M" : "L")}{x:0.#} {Y(height):0.#}");
            current = next;
        }
        if (path.Length == 0)
            return;
        if (current is { } last)
        {
            path.Append(CultureInfo.InvariantCulture, $"H{PlotRight:0.#}");
            _svg.Append(CultureInfo.InvariantCulture, $"<path class=\"{style}\" d=\"{path}\"/>");
            LabelLevel(style, $"{label} {Quantity.ForPeople(last)}", Y(last), taken);
            return;
        }
        _svg.Append(CultureInfo.InvariantCulture, $"<path class=\"{style}\" d=\"{path}\"/>");
    }

    private void LabelLevel(string style, string text, double y, List<double> taken)
    {
        var at = y - 5;
        while (taken.Exists(other => Math.Abs(other - at) < 13))
            at += 13;
        taken.Add(at);
        _svg.Append(CultureInfo.InvariantCulture, $"<text class=\"halo t-{style}\" x=\"{Left + 8:0.#}\" y=\"{at:0.#}\">{text}</text>");
    }

    private void DrawCaptures()
    {
        for (var i = 0; i < _lanes.Count; i++)
        {
            var artifact = _lanes[i];
            var start = X(artifact.StartedAt!.Value);
            var end = artifact.CompletedAt is { } completed && IsInside(completed) ? Math.Max(X(completed), start + 3) : start + 3;
            var y = Bottom + 9 + (i * Lane);
            var took = artifact.CompletedAt is { } at ? " " + ReportPage.Took(at - artifact.StartedAt.Value) : "";
            _svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"span{(artifact.IsComplete ? "" : " failed")}\" x=\"{start:0.#}\" y=\"{y:0.#}\" width=\"{end - start:0.#}\" height=\"9\" rx=\"2\"/>");
            var isRight = end > Width * 0.75;
            _svg.Append(CultureInfo.InvariantCulture, $"<text class=\"halo ink\" x=\"{(isRight ? start - 6 : end + 6):0.#}\" y=\"{y + 9:0.#}\"{(isRight ? " text-anchor=\"end\"" : "")}>");
            _svg.Append(CultureInfo.InvariantCulture, $"{Html.Encode(artifact.Type)}{took}{(artifact.IsComplete ? "" : " ✕")}</text>");
        }
    }

    private void DrawMoments()
    {
        var taken = new List<(double From, double To, int Row)>();
        // The end first: its label has the place next to the chart.
        if (_data.Record.DiedAt is { } died && IsInside(died))
            DrawMoment("kill", "t-limit", _data.Record.Outcome == CaptureOutcome.OOMKilled ? "✕ OOM kill" : "✕ exit", died, taken);
        foreach (var trigger in _data.Record.AlsoFired.Prepend(_data.Record.Trigger).Take(MaxTriggers).OrderBy(trigger => trigger.At))
            if (IsInside(trigger.At))
                DrawMoment("trigger", "t-threshold", "▼ " + trigger.Name, trigger.At, taken);
    }

    private void DrawMoment(string style, string textStyle, string label, DateTimeOffset at, List<(double From, double To, int Row)> taken)
    {
        const int rows = 3;
        var x = X(at);
        if (label.Length > 40)
            label = label[..39] + "…";
        // Nobody can measure a font here; seven units a character is more than enough.
        var width = label.Length * 7.0;
        var from = x + width > Width ? x + 4 - width : x - 4;
        var row = 0;
        while (row < rows && taken.Exists(other => other.Row == row && other.From < from + width && from < other.To))
            row++;
        _svg.Append(CultureInfo.InvariantCulture, $"<line class=\"{style}\" x1=\"{x:0.#}\" x2=\"{x:0.#}\" y1=\"{Top - 4:0.#}\" y2=\"{Height - 24:0.#}\"/>");
        // Where a crowd of triggers leaves no room, the line stands without a name; the table below has them all.
        if (row == rows)
            return;
        taken.Add((from, from + width, row));
        _svg.Append(CultureInfo.InvariantCulture, $"<text class=\"halo {textStyle}\" x=\"{(from < x - 4 ? x + 4 : from):0.#}\" y=\"{Top - 9 - (14 * row):0.#}\"{(from < x - 4 ? " text-anchor=\"end\"" : "")}>");
        _svg.Append(CultureInfo.InvariantCulture, $"{Html.Encode(label)}</text>");
    }

    private static string Path(IEnumerable<(double X, double Y)> points)
    {
        var path = new StringBuilder();
        foreach (var (x, y) in points)
            path.Append(CultureInfo.InvariantCulture, $"{(path.Length == 0 ? 'M' : 'L')}{x:0.#} {y:0.#}");
        return path.ToString();
    }

    private bool IsInside(DateTimeOffset at) => at >= _from && at <= _to;

    private double X(DateTimeOffset at) => Left + ((at - _from) / (_to - _from) * (PlotRight - Left));

    private double Y(long bytes) => Bottom - ((double)Math.Clamp(bytes, 0, _highest) / _highest * PlotHeight);
}
