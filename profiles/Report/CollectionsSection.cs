using System.Globalization;
using System.Text;
using Premortem.Contracts;
using Premortem.Profiles.GoGc;

namespace Premortem.Profiles.Report;

/// <summary>The collections of a Go program as a timeline: what was live after each, what it had grown to before, and what it was to grow to.</summary>
internal static class CollectionsSection
{
    private const double Left = 78, PlotRight = 980, Top = 14, Bottom = 214, Height = 240;

    /// <summary>More do not fit on a screen: of those that fall together the highest is drawn.</summary>
    private const int Columns = 450;

    private const int Rows = 15;

    /// <summary>Round lengths of time, in seconds.</summary>
    private static readonly double[] Steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];

    internal static void Write(TextWriter writer, IReadOnlyList<GcCycle> cycles)
    {
        if (cycles.Count == 0)
            return;
        var summary = GcSummary.Of(cycles);
        var own = cycles.TakeLast(summary.Collections).ToList();
        writer.Write($"<section id=\"collections\">\n<h2>Garbage collections</h2>\n<p class=\"soft\">{Words(summary)}</p>\n<div class=\"timeline\">{Draw(own)}</div>\n");
        writer.Write("<div class=\"legend\"><span><i style=\"color:var(--memory)\"></i>live after it</span><span><i style=\"color:var(--usage)\"></i>heap before it</span><span><i style=\"color:var(--ceiling);border-top-style:dashed\"></i>goal</span></div>\n");
        writer.Write("<div class=\"wide\"><table>\n<thead><tr><th class=\"n\">GC</th><th class=\"n\">at</th><th class=\"n\">stopped for</th><th class=\"n\">marked for</th><th class=\"n\">CPU</th><th class=\"n\">before</th><th class=\"n\">live</th><th class=\"n\">goal</th></tr></thead>\n<tbody>\n");
        foreach (var cycle in own.TakeLast(Rows))
            writer.Write(Invariant($"<tr><td class=\"n\">{cycle.Number}</td><td class=\"n\">{cycle.At.TotalSeconds:0.000} s</td><td class=\"n\">{Milliseconds(cycle.Pause)}</td><td class=\"n\">{Milliseconds(cycle.Wall.Mark)}</td><td class=\"n\">{Milliseconds(cycle.Cpu.Total)}</td><td class=\"n\">{Quantity.ForPeople(cycle.HeapBefore)}</td><td class=\"n\">{Quantity.ForPeople(cycle.LiveHeap)}</td><td class=\"n\">{Quantity.ForPeople(cycle.Goal)}</td></tr>\n"));
        var left = own.Count - Rows;
        writer.Write($"</tbody></table></div>\n<p class=\"note\">{(left > 0 ? Invariant($"{left} before these. ") : "")}Times are since the program began. Of {Html.FileLink(ArtifactKeys.GoCollections)}; 'premortem gctrace' says more.</p>\n</section>\n");
    }

    private static string Words(GcSummary it)
    {
        var words = new StringBuilder();
        words.Append(CultureInfo.InvariantCulture, $"{it.Collections} collection{(it.Collections == 1 ? "" : "s")} in {ReportPage.Took(it.Over)}{(it.Forced > 0 ? Invariant($", {it.Forced} of them forced") : "")}.");
        if (it.CpuShare is { } share)
            words.Append(CultureInfo.InvariantCulture, $" They took {share * 100:0.0} % of what the processors can do, {it.AssistShare * 100:0} % of it by goroutines that had to assist.");
        words.Append(CultureInfo.InvariantCulture, $" Half stopped the program for {Milliseconds(it.PauseMedian)} at most, 99 % for {Milliseconds(it.Pause99)}, the longest for {Milliseconds(it.PauseMost)}.");
        if (it.IsFloorRising is { } rises)
            words.Append(CultureInfo.InvariantCulture, $" The floor of the live heap {(rises ? "rises" : "does not rise")}: {string.Join(" → ", it.Floors.Select(Quantity.ForPeople))}.");
        return words.ToString();
    }

    private static string Draw(List<GcCycle> cycles)
    {
        var (from, to) = (cycles[0].At, cycles[^1].At);
        if (to - from < TimeSpan.FromMilliseconds(10))
            (from, to) = (from - TimeSpan.FromMilliseconds(5), to + TimeSpan.FromMilliseconds(5));
        // A goal may be far away, where the limit of memory sets it: drawn, it would press the heap flat.
        var heap = Math.Max(1, cycles.Max(cycle => Math.Max(cycle.HeapBefore, cycle.LiveHeap)));
        var highest = (double)Math.Max(heap, Math.Min(cycles.Max(cycle => cycle.Goal), heap * 2)) * 1.05;
        var drawn = cycles
            .GroupBy(cycle => (int)((cycle.At - from) / (to - from) * Columns))
            .Select(column => (X: X(column.Last().At), Live: column.Max(cycle => cycle.LiveHeap), Before: column.Max(cycle => cycle.HeapBefore), Goal: column.Max(cycle => cycle.Goal)))
            .ToList();
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 1000 {Height:0}\" role=\"img\" aria-label=\"Live heap after {cycles.Count} collections, up to {Quantity.ForPeople(cycles.Max(cycle => cycle.LiveHeap))}\">");
        var step = 1L << 20;
        while (highest / step > 5 && step < 1L << 60)
            step *= 2;
        for (var bytes = 0L; bytes <= highest; bytes += step)
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left:0.#}\" x2=\"{PlotRight:0.#}\" y1=\"{Y(bytes):0.#}\" y2=\"{Y(bytes):0.#}\"/><text x=\"{Left - 9:0.#}\" y=\"{Y(bytes) + 4:0.#}\" text-anchor=\"end\">{Quantity.ForPeople(bytes)}</text>");
        var every = Array.Find(Steps, seconds => (to - from).TotalSeconds / seconds <= 8) is var found and > 0 ? found : (to - from).TotalSeconds / 4;
        for (var at = Math.Ceiling(from.TotalSeconds / every) * every; at <= to.TotalSeconds; at += every)
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{X(TimeSpan.FromSeconds(at)):0.#}\" y=\"{Height - 8:0.#}\" text-anchor=\"middle\">{at:0.##} s</text>");
        svg.Append(CultureInfo.InvariantCulture, $"<path class=\"area\" d=\"{Path(drawn.Select(point => (point.X, Y(point.Live))))}L{drawn[^1].X:0.#} {Bottom:0.#}L{drawn[0].X:0.#} {Bottom:0.#}Z\"/>");
        svg.Append(CultureInfo.InvariantCulture, $"<path class=\"ceiling\" d=\"{Path(drawn.Select(point => (point.X, Y(point.Goal))))}\"/>");
        svg.Append(CultureInfo.InvariantCulture, $"<path class=\"usage\" d=\"{Path(drawn.Select(point => (point.X, Y(point.Before))))}\"/>");
        svg.Append(CultureInfo.InvariantCulture, $"<path class=\"memory\" d=\"{Path(drawn.Select(point => (point.X, Y(point.Live))))}\"/>");
        foreach (var point in drawn.Count == 1 ? drawn : [])
            svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{point.X:0.#}\" cy=\"{Y(point.Live):0.#}\" r=\"3\" fill=\"var(--memory)\"/>");
        return svg.Append("</svg>").ToString();

        double X(TimeSpan at) => Left + ((at - from) / (to - from) * (PlotRight - Left));

        double Y(long bytes) => Bottom - (Math.Clamp(bytes, 0, highest) / highest * (Bottom - Top));
    }

    private static string Path(IEnumerable<(double X, double Y)> points)
    {
        var path = new StringBuilder();
        foreach (var (x, y) in points)
            path.Append(CultureInfo.InvariantCulture, $"{(path.Length == 0 ? 'M' : 'L')}{x:0.#} {y:0.#}");
        return path.ToString();
    }

    private static string Milliseconds(TimeSpan time) => Invariant($"{time.TotalMilliseconds:0.0##} ms");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
