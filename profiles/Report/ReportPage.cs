using System.Globalization;
using System.Text;
using System.Text.Json;
using Premortem.Contracts;
using Premortem.Profiles.Findings;

namespace Premortem.Profiles.Report;

/// <summary>
/// A capture as one page of HTML that needs nothing else: no network, no fonts, and no script for what is to be read. What is on it
/// comes from the target and from people, and is encoded; the page's own policy forbids the browser to load anything, and to run
/// anything but the one script that is ours, known by its hash.
/// </summary>
public static class ReportPage
{
    private const int MaxRows = 60;
    private const int MaxArtifacts = 200;

    // There may be thirty stacks of sixty.
    private const int LongestFrame = 200;
    private const int LongestManifest = 60_000;

    /// <summary>Writes the page as UTF-8 and leaves the stream open.</summary>
    public static void Write(Stream stream, ReportData data)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        Write(writer, data);
    }

    public static void Write(TextWriter writer, ReportData data)
    {
        var record = data.Record;
        var headline = Headline.Of(data);
        writer.Write($"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{PageParts.ScriptHash}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="referrer" content="no-referrer">
            <title>{Html.Encode(record.Target.Container)} in {Html.Encode(record.Target.Pod)}: {Html.Encode(headline)}</title>
            <style>
            {PageParts.Css}
            </style>
            </head>
            <body>
            <main>
            <header>
            <div class="where">Premortem · <b>{Html.Encode(record.Target.Namespace)}/{Html.Encode(record.Target.Pod)}</b> · container {Html.Encode(record.Target.Container)} {Badge(record)}</div>
            <h1>{Html.Encode(headline)}</h1>
            <p class="lead">{Story(record)}</p>
            </header>

            """);
        WriteFindings(writer, data);
        WriteTiles(writer, data);
        WriteChart(writer, data);
        WriteFlames(writer, data);
        WriteGraphs(writer, data);
        if (data.Types is { } types)
            TypeSection.Write(writer, types, data);
        if (data.Retention is { } retention)
            RetentionSection.Write(writer, retention);
        foreach (var table in data.Tables.Take(8))
            WriteTop(writer, table, record);
        WriteGrowth(writer, data.Growth);
        if (data.TypeGrowth is { } typeGrowth)
            TypeSection.WriteGrowth(writer, typeGrowth);
        WriteGoroutines(writer, data.Goroutines);
        CollectionsSection.Write(writer, data.Collections);
        WriteArtifacts(writer, record);
        WritePlan(writer, record);
        WriteTriggers(writer, record);
        WriteFacts(writer, record);
        if (data.Process is { } process)
            ProcessSection.Write(writer, process);
        WriteManifest(writer, record);
        writer.Write($"""
            <footer>Capture {Html.Encode(record.Id)}, written by {Html.Encode(record.Producer)}. The same in JSON: {Html.FileLink(Names.Manifest)}.</footer>
            </main>
            <script type="application/json" id="report-data">{ReportScriptData.Of(data)}</script>
            <script>{PageParts.Script}</script>
            </body>
            </html>

            """);
    }

    /// <summary>A length of time as people say it: <c>41 ms</c>, <c>2.3 s</c>, <c>4 m 10 s</c>.</summary>
    internal static string Took(TimeSpan time) => time switch
    {
        _ when time < TimeSpan.Zero => "−" + Took(-time),
        { TotalSeconds: < 1 } => Invariant($"{time.TotalMilliseconds:0} ms"),
        { TotalSeconds: < 60 } => Invariant($"{time.TotalSeconds:0.0} s"),
        { TotalHours: < 1 } => Invariant($"{time.Minutes} m {time.Seconds} s"),
        _ => Invariant($"{(long)time.TotalHours} h {time.Minutes} m"),
    };

    private static string Badge(CaptureRecord record)
    {
        var (style, words) = record.Outcome switch
        {
            CaptureOutcome.OOMKilled => ("OOMKilled", "OOM-killed"),
            CaptureOutcome.Survived => ("Survived", "survived"),
            CaptureOutcome.Exited => ("Exited", "exited"),
            _ => ("", "outcome not known yet"),
        };
        return $"<span class=\"badge {style}\">{words}</span>";
    }

    /// <summary>Trigger and end in a sentence each.</summary>
    private static string Story(CaptureRecord record)
    {
        var story = new StringBuilder();
        story.Append(CultureInfo.InvariantCulture, $"<b>{Html.Encode(record.Trigger.Name)}</b> fired at {Clock(record.Trigger.At)}: {Html.Encode(record.Trigger.Reason)}.");
        var captures = record.Artifacts.Where(artifact => artifact.IsCapture).ToList();
        var complete = captures.Count(artifact => artifact.IsComplete);
        story.Append(CultureInfo.InvariantCulture, $" {complete} of {captures.Count} captures {(complete == 1 ? "is" : "are")} whole.");
        if (record.DiedAt is { } died)
            story.Append(CultureInfo.InvariantCulture, $" The target ended {Took(died - record.Trigger.At)} after the trigger");
        else if (record.Outcome == CaptureOutcome.Survived)
            story.Append(" The target lived on");
        else
            return story.ToString();
        if (record.OutcomeReason is { } reason)
            story.Append(CultureInfo.InvariantCulture, $": {Html.Encode(reason)}");
        return story.Append('.').ToString();
    }

    private static void WriteFindings(TextWriter writer, ReportData data)
    {
        var findings = FindingRules.Of(data);
        if (findings.Count == 0)
            return;
        writer.Write("<section id=\"findings\">\n<h2>Findings</h2>\n<ul class=\"findings\">\n");
        foreach (var finding in findings)
            writer.Write($"<li class=\"{finding.Kind}\"><b>{Html.Encode(finding.Sentence)}</b><span class=\"evidence\">{Html.Encode(finding.Evidence)}</span></li>\n");
        writer.Write("</ul>\n</section>\n");
    }

    /// <summary>An empty frame, which the script fills; without one the tables tell the same.</summary>
    private static void WriteFlames(TextWriter writer, ReportData data)
    {
        if (data.Flames.Count > 0)
            writer.Write("<section id=\"flames\" hidden>\n<h2>Stacks</h2>\n</section>\n");
        if (data.FlamesLeftOut is { } why)
            writer.Write($"<p class=\"note\">{Html.Encode(why)}</p>\n");
    }

    private static void WriteGraphs(TextWriter writer, ReportData data)
    {
        if (data.Graphs.Count == 0)
            return;
        writer.Write("<section id=\"graphs\">\n<h2>Call graph</h2>\n");
        foreach (var (index, (title, graph)) in data.Graphs.Index())
        {
            writer.Write($"<details{(index == 0 ? " open" : "")}><summary>{Html.Encode(title)}</summary>\n<div class=\"callgraph\" tabindex=\"0\" role=\"group\" aria-label=\"Call graph of {Html.Encode(title)}\">\n");
            graph.WriteEmbedded(writer);
            writer.Write("</div></details>\n");
        }
        writer.Write("<p class=\"note\">An arrow is a call: thick and red where much is held by way of it, dashed where it was inlined, dotted where it goes by way of functions that are left out. ");
        writer.Write("Large letters hold much themselves, strong colours with all that they call. The tables below tell the same.</p>\n</section>\n");
    }

    private static void WriteGoroutines(TextWriter writer, GoroutineGroups? goroutines)
    {
        if (goroutines is not { Total: > 0 })
            return;
        writer.Write(Invariant($"<section id=\"goroutines\">\n<h2>Goroutines: {goroutines.Total}</h2>\n"));
        foreach (var group in goroutines.Groups)
        {
            writer.Write(Invariant($"<details><summary><b>{group.Count}</b> <span class=\"soft\">{group.Count * 100.0 / goroutines.Total:0.#} %</span> <span class=\"name\">{Html.Encode(group.Where)}</span></summary>\n<ol class=\"stack name\">"));
            foreach (var frame in group.Stack)
                writer.Write($"<li>{Html.Encode(frame, LongestFrame)}</li>");
            writer.Write("</ol></details>\n");
        }
        var others = goroutines.OtherGroups > 0 ? Invariant($" {goroutines.OtherGroups} smaller groups are not shown.") : "";
        writer.Write($"<p class=\"note\">Those that stand in one place, of {Html.FileLink(goroutines.File)}; named by the innermost function that is not the runtime's own.{others}</p>\n</section>\n");
    }

    private static void WriteTiles(TextWriter writer, ReportData data)
    {
        var record = data.Record;
        var memory = record.Memory;
        writer.Write("<div class=\"tiles\">\n");
        var ceiling = memory.CeilingBytes ?? memory.LimitBytes;
        Tile(
            Quantity.ForPeople(memory.WorkingSetBytes),
            ceiling is > 0 ? Invariant($"working set at the trigger, {100.0 * memory.WorkingSetBytes / ceiling.Value:0.#} % of the ceiling") : "working set at the trigger");
        Tile(
            memory.LimitBytes is { } limit ? Quantity.ForPeople(limit) : "no limit",
            memory.CeilingBytes is { } lower && lower != memory.LimitBytes ? $"container limit; the runtime stops at {Quantity.ForPeople(lower)}" : "container limit");
        if (MemorySeries.Of(data.Memory) is { } series)
            Tile(Quantity.ForPeople(series.PeakBytes), "highest working set seen");
        if (record.Artifacts.FirstOrDefault(artifact => artifact.Type == nameof(Contracts.Policies.CaptureType.Heap) && artifact.IsComplete)?.CompletedAt is { } heap)
            Tile(Took(heap - record.Trigger.At), "from the trigger to a whole heap profile");
        if (record.DiedAt is { } died)
            Tile(Took(died - record.Trigger.At), "from the trigger to the end");
        writer.Write("</div>\n");

        void Tile(string figure, string words) => writer.Write($"<div class=\"tile\"><b>{Html.Encode(figure)}</b><span>{Html.Encode(words)}</span></div>\n");
    }

    private static void WriteChart(TextWriter writer, ReportData data)
    {
        writer.Write("<section id=\"memory\">\n<h2>Memory</h2>\n");
        if (MemoryChart.Draw(data) is { } chart)
            writer.Write($"<div class=\"wide chart\">{chart}</div>\n");
        else
            writer.Write("<p class=\"soft\">No memory samples were kept with this capture.</p>\n");
        if (data.Record.Memory.LimitBytes is null)
            writer.Write("<p class=\"note\">The container has no memory limit.</p>\n");
        writer.Write("</section>\n");
    }

    /// <summary>What is said of a table that is a baseline's.</summary>
    internal static string BaselineNote(TimeSpan age) =>
        $"<p class=\"note\">No heap could be captured. This is a baseline that the flight recorder took {Took(age)} before the trigger.</p>\n";

    private static void WriteTop(TextWriter writer, ReportTable report, CaptureRecord record)
    {
        var table = report.Table;
        writer.Write($"<section>\n<h2>{Html.Encode(Headline.Title(report))}</h2>\n");
        if (report.BaselineAt is { } taken)
            writer.Write($"{BaselineNote(record.Trigger.At - taken)}");
        if (table.Rows.Count == 0)
        {
            writer.Write("<p class=\"soft\">The profile is empty.</p>\n</section>\n");
            return;
        }
        writer.Write("<div class=\"wide\"><table class=\"top\">\n<thead><tr><th class=\"n\">flat</th><th class=\"n\">flat%</th><th class=\"n sum\">sum%</th>");
        writer.Write("<th class=\"n\">cum</th><th class=\"n\">cum%</th><th class=\"name\">function</th></tr></thead>\n<tbody>\n");
        foreach (var row in table.Rows.Take(MaxRows))
        {
            var inlining = row.Inlining switch { Inlining.Full => " <span class=\"soft\">(inline)</span>", Inlining.Partial => " <span class=\"soft\">(partial-inline)</span>", _ => "" };
            writer.Write($"<tr><td class=\"n\"{Value(row.Flat)}>{Html.Encode(table.Format(row.Flat))}</td>{Share(table, row.Flat, row.FlatPercent)}");
            writer.Write($"<td class=\"n sum\">{table.Percentage(row.Sum)}</td><td class=\"n\"{Value(row.Cum)}>{Html.Encode(table.Format(row.Cum))}</td>");
            writer.Write($"{Share(table, row.Cum, row.CumPercent)}<td class=\"name\">{Html.Encode(row.Name)}{inlining}</td></tr>\n");
        }
        writer.Write("</tbody>\n</table></div>\n");
        var more = table.Rows.Count - MaxRows + table.Trimmed.Dropped;
        var count = table.Rows.Count > MaxRows || table.Trimmed.Dropped > 0 ? Invariant($" {Math.Max(more, table.Trimmed.Dropped)} smaller functions are not shown.") : "";
        writer.Write($"<p class=\"note\">{Html.Encode(table.SampleType.Type)}, {Html.Encode(table.Format(table.Total))} in all.{count}");
        writer.Write(" Flat is what a function holds itself, cum with all that it calls.</p>\n</section>\n");

        static string Value(long value) => Invariant($" data-v=\"{value}\"");

        static string Share(TopTable table, long value, double percent) =>
            Invariant($"<td class=\"n share\" data-v=\"{percent:0.###}\" style=\"--w:{Math.Clamp(Math.Abs(percent), 0, 100):0.#}%\">{table.Percentage(value)}</td>");
    }

    private static void WriteGrowth(TextWriter writer, ReportGrowth? growth)
    {
        if (growth is null)
            return;
        var table = growth.Table;
        var grown = table.Rows.Where(row => row.Flat > 0).OrderByDescending(row => row.Flat).ToList();
        var shrunk = table.Rows.Where(row => row.Flat < 0).ToList();
        writer.Write($"<section>\n<h2>Growth since the baseline, in {Took(growth.Until - growth.Since)}</h2>\n");
        if (grown.Count == 0)
        {
            writer.Write("<p class=\"soft\">Nothing has grown.</p>\n");
        }
        else
        {
            writer.Write("<div class=\"wide\"><table>\n<thead><tr><th class=\"n\">flat</th><th class=\"n\">cum</th><th class=\"name\">function</th></tr></thead>\n<tbody>\n");
            foreach (var row in grown.Take(MaxRows))
                writer.Write($"<tr><td class=\"n\">+{Html.Encode(table.Format(row.Flat))}</td><td class=\"n\">{Signed(row.Cum)}</td><td class=\"name\">{Html.Encode(row.Name)}</td></tr>\n");
            writer.Write("</tbody>\n</table></div>\n");
        }
        writer.Write($"<p class=\"note\">{Html.Encode(table.SampleType.Type)} of {Html.FileLink(growth.File)} less that of {Html.FileLink(growth.Base)}.");
        if (shrunk.Count > 0)
            writer.Write(Invariant($" {shrunk.Count} function{(shrunk.Count == 1 ? " holds" : "s hold")} less than before: {Html.Encode(table.Format(shrunk.Sum(row => row.Flat)))}."));
        writer.Write("</p>\n</section>\n");

        string Signed(long value) => (value > 0 ? "+" : "") + Html.Encode(table.Format(value));
    }

    private static void WriteArtifacts(TextWriter writer, CaptureRecord record)
    {
        writer.Write("<section>\n<h2>What was captured, and when</h2>\n");
        if (record.Artifacts.Count == 0)
        {
            writer.Write("<p class=\"soft\">Nothing was captured.</p>\n</section>\n");
            return;
        }
        writer.Write("<div class=\"wide\"><table>\n<thead><tr><th>type</th><th>file</th><th class=\"n\">size</th><th>sha256</th>");
        writer.Write("<th>started</th><th class=\"n\">after</th><th class=\"n\">took</th><th>result</th></tr></thead>\n<tbody>\n");
        foreach (var artifact in record.Artifacts.Take(MaxArtifacts))
        {
            writer.Write($"<tr><td>{Html.Encode(artifact.Type)}</td><td>{(artifact.IsComplete ? Html.FileLink(artifact.Key) : Html.Encode(artifact.Key))}</td>");
            writer.Write(artifact.Sha256 is null && artifact.Bytes == 0
                ? "<td class=\"n\">–</td>"
                : Invariant($"<td class=\"n\" title=\"{artifact.Bytes} bytes\">{Quantity.ForPeople(artifact.Bytes)}</td>"));
            var sha = artifact.Sha256 ?? "";
            writer.Write($"<td class=\"t\"><code title=\"{Html.Encode(sha)}\">{(sha.Length == 0 ? "–" : Html.Encode(sha.Length > 12 ? sha[..12] : sha))}</code></td>");
            writer.Write(artifact.StartedAt is { } started
                ? $"<td class=\"t\">{Clock(started)}</td><td class=\"n\">{Took(started - record.Trigger.At)}</td>"
                : "<td>–</td><td class=\"n\">–</td>");
            writer.Write(artifact is { StartedAt: { } from, CompletedAt: { } to } ? $"<td class=\"n\">{Took(to - from)}</td>" : "<td class=\"n\">–</td>");
            writer.Write(artifact.IsComplete
                ? "<td class=\"good\">whole</td></tr>\n"
                : $"<td class=\"bad\">{Html.Encode(artifact.Reason ?? "not whole")}{(artifact.Error is null ? "" : ": " + Html.Encode(artifact.Error))}</td></tr>\n");
        }
        writer.Write("</tbody>\n</table></div>\n<p class=\"note\">After: since the trigger.</p>\n</section>\n");
    }

    private static void WritePlan(TextWriter writer, CaptureRecord record)
    {
        if (record.Plan.Count == 0)
            return;
        writer.Write("<section>\n<h2>The plan</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>capture</th><th>decision</th><th class=\"n\">time</th><th class=\"n\">memory</th><th>why</th></tr></thead>\n<tbody>\n");
        foreach (var planned in record.Plan.Take(MaxArtifacts))
        {
            var variant = planned.Variant is { } way ? $" <span class=\"soft\">{way}</span>" : "";
            var duration = planned.Duration is { } time ? ", " + Durations.Format(time) : "";
            var reason = planned.Reason is { } word ? $"{word}: " : "";
            var measured = record.Artifacts.FirstOrDefault(artifact => artifact.Key == ArtifactKeys.Of(planned, record.Target.Runtime?.Kind) && artifact.IsCapture);
            writer.Write($"<tr><td class=\"t\">{planned.Type}{variant}</td><td class=\"t\">{Html.Encode(planned.Decision)}{duration}</td>");
            writer.Write(Cost(planned.CostTime, measured is { StartedAt: { } from, CompletedAt: { } to } ? to - from : null, Took));
            writer.Write(Cost(planned.CostBytes, measured?.RiseBytes, Quantity.ForPeople));
            writer.Write($"<td>{Html.Encode(reason + planned.Detail)}</td></tr>\n");
        }
        writer.Write("</tbody>\n</table></div>\n<p class=\"note\">Time and memory inside the target: as expected, and behind the arrow as measured. ");
        writer.Write("What was measured of memory is how far the working set rose meanwhile, the target's own growth included.</p>\n</section>\n");

        static string Cost<T>(T? expected, T? measured, Func<T, string> format)
            where T : struct => (expected, measured) switch
            {
                (null, null) => "<td class=\"n\">–</td>",
                ({ } planned, null) => $"<td class=\"n\">{format(planned)}</td>",
                (null, { } seen) => $"<td class=\"n\">→ {format(seen)}</td>",
                ({ } planned, { } seen) => $"<td class=\"n\">{format(planned)} → {format(seen)}</td>",
            };
    }

    private static void WriteTriggers(TextWriter writer, CaptureRecord record)
    {
        if (record.AlsoFired.Count == 0)
            return;
        writer.Write("<section>\n<h2>Also fired</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>trigger</th><th>kind</th><th>at</th><th>why</th></tr></thead>\n<tbody>\n");
        foreach (var trigger in record.AlsoFired.Take(MaxArtifacts))
        {
            writer.Write($"<tr><td>{Html.Encode(trigger.Name)}</td><td>{Html.Encode(trigger.Kind)}</td><td class=\"t\">{Clock(trigger.At)}</td>");
            writer.Write($"<td>{Html.Encode(trigger.Reason)}</td></tr>\n");
        }
        writer.Write("</tbody>\n</table></div>\n</section>\n");
    }

    private static void WriteFacts(TextWriter writer, CaptureRecord record)
    {
        var target = record.Target;
        writer.Write("<section>\n<h2>The target</h2>\n<dl>\n");
        Fact("Namespace", target.Namespace);
        Fact("Workload", target.Workload);
        Fact("Pod", target.Pod);
        Fact("Container", target.Container);
        Fact("Node", target.Node);
        Fact("Process", target.Pid > 0 ? Invariant($"{target.Pid}") : null);
        Fact("Executable", target.Executable);
        if (target.Runtime is { } runtime)
        {
            Fact("Runtime", runtime.Version is null ? $"{runtime.Kind}" : $"{runtime.Kind}, {runtime.Version}");
            Fact("Main module", runtime.ModuleVersion is null ? runtime.MainModule : $"{runtime.MainModule} {runtime.ModuleVersion}");
        }
        Fact("Life", Invariant($"{target.Incarnation}. since the sidecar first saw this container"));
        Fact("Memory read from", record.Memory.Source);
        Fact("Policy", record.Policy.Namespace is null ? record.Policy.Name : $"{record.Policy.Namespace}/{record.Policy.Name}");
        Fact("Trigger", $"{record.Trigger.Name} ({record.Trigger.Kind})");
        Fact("Capture", $"{record.Phase}, started {Date(record.StartedAt)}{(record.CompletedAt is { } at ? $", ended {Date(at)}" : "")}");
        Fact("Outcome", $"{(record.Outcome is { } outcome ? outcome.ToString() : "not known")}{(record.OutcomeReason is { } reason ? ": " + reason : "")}");
        Fact("Ended", record.DiedAt is { } died ? Date(died) : null);
        Fact("Folder", record.Folder);
        writer.Write("</dl>\n</section>\n");

        void Fact(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
                writer.Write($"<dt>{name}</dt><dd>{Html.Encode(value)}</dd>\n");
        }
    }

    /// <summary>As it stood when the page was made: what is known later is in the file alone.</summary>
    private static void WriteManifest(TextWriter writer, CaptureRecord record)
    {
        var json = JsonSerializer.Serialize(record, ContractsJson.Default.CaptureRecord);
        writer.Write("<section>\n<h2>The manifest</h2>\n<details><summary>In JSON</summary>\n<pre tabindex=\"0\">");
        foreach (var line in (json.Length > LongestManifest ? json[..LongestManifest] + "\n…" : json).Split('\n'))
            writer.Write($"{Html.Encode(line.TrimEnd('\r'))}\n");
        writer.Write($"</pre></details>\n<p class=\"note\">As the page was made. {Html.FileLink(Names.Manifest)} is stored last, and knows the end.</p>\n</section>\n");
    }

    private static string Clock(DateTimeOffset at) =>
        Invariant($"<time datetime=\"{at.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ}\">{at.UtcDateTime:HH:mm:ss.fff}</time>");

    private static string Date(DateTimeOffset at) => Invariant($"{at.UtcDateTime:yyyy-MM-dd HH:mm:ss.fff} UTC");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
