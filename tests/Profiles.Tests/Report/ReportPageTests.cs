using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Premortem.Contracts;
using Premortem.Profiles.Findings;
using Premortem.Profiles.GoGc;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Report;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Report;

public sealed class ReportPageTests
{
    private const string Evil = "<script>alert(1)</script>\"'&\u001b[31m\u202e\u0000";

    [Fact]
    public void The_page_is_as_it_was_when_somebody_last_looked_at_it()
    {
        var page = Write(Sample.Leak());
        var golden = Repository.Path("tests", "Profiles.Tests", "testdata", "report.html");
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
            File.WriteAllText(golden, page);

        Assert.Equal(File.ReadAllText(golden), page);
    }

    [Fact]
    public void The_plan_tells_what_was_expected_and_what_it_was()
    {
        var page = Write(Sample.Leak());
        Assert.Contains("<td class=\"t\">Heap</td><td class=\"t\">chosen</td><td class=\"n\">50 ms → 40 ms</td><td class=\"n\">2 MiB → 900 KiB</td>", page, StringComparison.Ordinal);
        Assert.Contains("<td class=\"t\">skipped</td><td class=\"n\">–</td><td class=\"n\">–</td><td>NotSupportedByRuntime: Dump is for .NET targets</td>", page, StringComparison.Ordinal);
    }

    [Fact]
    public void The_headline_names_the_function_that_holds_the_memory() =>
        Assert.Contains("<h1>98.6 % of live heap is held by main.MemoryIntensiveFunc</h1>", Write(Sample.Leak()), StringComparison.Ordinal);

    [Fact]
    public void The_collections_of_a_Go_program_are_a_timeline_with_the_last_ones_in_figures()
    {
        Assert.DoesNotContain("Garbage collections", Write(Sample.Leak()), StringComparison.Ordinal);
        // A first life of two collections, and one whose floor rises.
        var log = string.Concat(Lines(2, live: _ => 900), Lines(40, live: i => 4 + i));
        var data = Sample.Leak() with { Collections = GcTraceLog.Read(new MemoryStream(Encoding.UTF8.GetBytes(log))).Cycles };
        var page = Write(data);

        Assert.Contains("40 collections in 39.0 s", page, StringComparison.Ordinal);
        Assert.Contains("The floor of the live heap rises: 5 MiB → 18 MiB → 31 MiB.", page, StringComparison.Ordinal);
        Assert.Contains("aria-label=\"Live heap after 40 collections, up to 44 MiB\"", page, StringComparison.Ordinal);
        Assert.Contains("<td class=\"n\">40</td><td class=\"n\">40.000 s</td>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<td class=\"n\">25</td><td class=\"n\">25.000 s</td>", page, StringComparison.Ordinal);
        Assert.Contains("25 before these.", page, StringComparison.Ordinal);
        // 72.2 % in a third of 39 s.
        Assert.Contains("Live heap after GC rose 333.3 %/min: leak (18 MiB to 31 MiB in 13.0 s)", page, StringComparison.Ordinal);
        Assert.Contains("gctrace.txt: the least that was live in the second and in the last third of 40 collections", page, StringComparison.Ordinal);
        // One that starts, and then has what it needs.
        var warm = string.Concat(Lines(30, live: i => Math.Min(4 + (i * 4), 50)));
        Assert.DoesNotContain("Live heap after GC rose", Write(Sample.Leak() with { Collections = GcTraceLog.Read(new MemoryStream(Encoding.UTF8.GetBytes(warm))).Cycles }), StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", Write(data with { Collections = [data.Collections[0]] }), StringComparison.Ordinal);

        static string Lines(int count, Func<int, int> live) => string.Concat(Enumerable.Range(1, count).Select(i =>
            string.Create(CultureInfo.InvariantCulture, $"2026-03-01T12:00:00Z gc {i} @{i}.0s 1%: 0.1+2.0+0.1 ms clock, 0.2+0.1/1.0/0.5+0.2 ms cpu, {live(i) + 2}->{live(i) + 2}->{live(i)} MB, {live(i) + 4} MB goal, 2 P\n")));
    }

    [Fact]
    public void The_types_of_a_managed_heap_are_on_the_page_and_in_its_headline()
    {
        var types = new TypeTable
        {
            Measure = TypeTable.LiveObjects,
            Objects = 30,
            Bytes = 4096,
            Rows = [new TypeRow("Shop.Order<T>", 20, 3072), new TypeRow(Evil, 10, 1024)],
        };
        var page = Write(Sample.Leak() with { Tables = [], Types = types });

        Assert.Contains("<h1>75 % of live heap is held by Shop.Order&lt;T&gt;</h1>", page, StringComparison.Ordinal);
        Assert.Contains("Which types hold the managed heap", page, StringComparison.Ordinal);
        Assert.Contains("<td class=\"n sum\">100 %</td><td class=\"n\">10</td>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
        Assert.Contains("75 % of the part of the heap that was seen is held by", Write(Sample.Leak() with { Tables = [], Types = types with { IsPartial = true } }), StringComparison.Ordinal);
        var dumped = Write(Sample.Leak() with { Tables = [], Types = types with { Measure = TypeTable.AllObjects } });
        Assert.Contains("<h1>75 % of the heap, garbage included, is held by Shop.Order&lt;T&gt;</h1>", dumped, StringComparison.Ordinal);
        Assert.Contains("Which types hold the managed heap", dumped, StringComparison.Ordinal);
        Assert.Contains("75 % of allocations of 5s is of Shop.Order", Write(Sample.Leak() with { Tables = [], Types = types with { Measure = "allocations of 5s" } }), StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_that_is_no_heap_is_not_laid_to_a_type()
    {
        var types = new TypeTable { Measure = TypeTable.LiveObjects, Objects = 1, Bytes = 1024, Rows = [new TypeRow("System.String", 1, 1024)] };
        var leak = Sample.Leak() with { Tables = [], Types = types };
        string Page(long outside) => Write(leak with { Record = leak.Record with { Memory = new MemoryAtTrigger(400L << 20, 400L << 20, null, null, "cgroup v2") { OutsideHeapBytes = outside << 20 } } });
        Assert.Contains("<h1>300 MiB of 400 MiB are held outside of the managed heap", Page(300), StringComparison.Ordinal);
        Assert.Contains("is held by System.String</h1>", Page(150), StringComparison.Ordinal);
    }

    [Fact]
    public void The_process_is_told_as_the_kernel_told_it()
    {
        var page = Write(Sample.Leak());

        Assert.Contains("<dt>Command line</dt><dd>/app/checkout --token *** --listen :8080</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<dt>Resident</dt><dd>221 MiB, at most 230 MiB</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<dt>File descriptors</dt><dd>14: 9 socket, 5 file</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<dt>OOM score</dt><dd>1291, adjusted by 968</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<td class=\"name\">GOMEMLIMIT</td><td class=\"name\">200MiB</td>", page, StringComparison.Ordinal);
        Assert.Contains("<td class=\"name\">maxOpenFiles</td><td class=\"name\">1024, at most 524288 files</td>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("id=\"process\"", Write(Sample.Leak() with { Process = null }), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("1")]
    [InlineData("{}")]
    [InlineData("""{"commandLine": 1, "status": [], "limits": {"a": 1, "b": {"soft": []}}, "environment": {"X": {}}, "fileDescriptors": {"total": "many", "socket": -1e999}, "denied": [1]}""")]
    public void A_process_that_is_not_told_as_it_should_be_is_left_out(string json)
    {
        using var document = JsonDocument.Parse(json);

        Assert.Contains("<h2>The process</h2>", Write(Sample.Leak() with { Process = document.RootElement }), StringComparison.Ordinal);
    }

    [Fact]
    public void The_manifest_stands_on_the_page()
    {
        var page = Write(Sample.Leak());
        var json = WebUtility.HtmlDecode(Regex.Match(page, "<pre tabindex=\"0\">(.*?)</pre>", RegexOptions.Singleline).Groups[1].Value);

        Assert.Equal(Sample.Record().Artifacts, JsonSerializer.Deserialize(json, ContractsJson.Default.CaptureRecord)!.Artifacts);
    }

    [Fact]
    public void What_a_collection_left_is_a_line_that_ends_where_nothing_is_known()
    {
        var points = Sample.Leak().Memory.Select((point, i) => point with { HeapAfterGcBytes = i is < 100 or > 200 ? (20 + (i / 50)) << 20 : null, OutsideHeapBytes = 8 << 20 }).ToList();
        var page = Write(Sample.Leak() with { Memory = points });

        Assert.Equal(2, Regex.Match(page, "<path class=\"heap\" d=\"([^\"]*)\"").Groups[1].Value.Count(letter => letter == 'M'));
        Assert.Equal(2, Regex.Match(page, "<path class=\"outside\" d=\"([^\"]*)\"").Groups[1].Value.Count(letter => letter is 'M' or 'L'));
        Assert.Contains("heap after each GC", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<path class=\"heap\"", Write(Sample.Leak()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_stream_gets_the_same_page_and_stays_open()
    {
        using var stream = new MemoryStream();

        ReportPage.Write(stream, Sample.Leak());

        Assert.Equal(Write(Sample.Leak()), System.Text.Encoding.UTF8.GetString(stream.ToArray()));
        Assert.True(stream.CanWrite);
    }

    [Fact]
    public void The_page_loads_nothing_and_runs_nothing_but_its_own_script()
    {
        var page = Write(Sample.Leak());

        var scripts = Regex.Matches(page, "<script>(.*?)</script>", RegexOptions.Singleline);
        var hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Assert.Single(scripts).Groups[1].Value)));
        Assert.Contains($"content=\"default-src 'none'; script-src 'sha256-{hash}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"", page, StringComparison.Ordinal);
        Assert.Equal(2, Regex.Count(page, "<script", RegexOptions.IgnoreCase));
        Assert.DoesNotMatch(new Regex("<link|<img|<iframe|@import|url\\(|http:|https:| on[a-z]+=", RegexOptions.IgnoreCase), page);
    }

    [Fact]
    public void Whatever_the_names_are_they_are_shown_and_do_nothing()
    {
        var encoder = PprofEncoder.Heap();
        encoder.Sample([encoder.At(Evil)], 1, 1000);
        var profile = Profiles.Pprof.PprofProfile.Read(new MemoryStream(encoder.ToArray()));
        var record = Sample.Record();
        record = record with
        {
            Id = Evil,
            Folder = Evil,
            Producer = Evil,
            OutcomeReason = Evil,
            Trigger = record.Trigger with { Name = Evil, Kind = Evil, Reason = Evil },
            AlsoFired = [record.Trigger with { Name = Evil, Kind = Evil, Reason = Evil }],
            Policy = new PolicyReference(Evil, Evil),
            Memory = record.Memory with { Source = Evil },
            Target = new TargetIdentity
            {
                Namespace = Evil,
                Workload = Evil,
                Pod = Evil,
                Container = Evil,
                Node = Evil,
                Executable = Evil,
                Runtime = new RuntimeIdentity(Premortem.Contracts.Policies.RuntimeKind.Go, Evil, Evil, Evil),
            },
            Plan = [new PlannedCapture(Premortem.Contracts.Policies.CaptureType.Heap, Evil, Evil) { Reason = Evil }],
            Artifacts =
            [
                new Artifact { Type = Evil, Key = "../../" + Evil, Sha256 = Evil, StartedAt = Sample.Start },
                new Artifact { Type = Evil, Key = "javascript:alert(1)", Error = Evil, Reason = Evil, StartedAt = Sample.Start },
            ],
        };

        var page = Write(Sample.Leak() with
        {
            Record = record,
            Thresholds = [new ThresholdLine(Evil, 100 << 20)],
            Tables = [new ReportTable(Evil, TopTable.Of(profile))],
            Flames = [ReportFlame.Of(Evil, profile)!],
            Goroutines = new GoroutineGroups { Total = 9, Groups = [new GoroutineGroup(9, Evil, [Evil])], OtherGroups = 0, Places = [new(Evil, 9)], File = Evil, Before = 1, BeforeFile = Evil },
        });

        Assert.Equal(2, Regex.Count(page, "<script", RegexOptions.IgnoreCase));
        Assert.DoesNotContain(page, c => char.IsControl(c) && c != '\n');
        Assert.DoesNotContain('\u202e', page);
        Assert.DoesNotMatch(new Regex("href=\"(?![a-z.]+\")"), page);
        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;␛[31m\\u{202e}␀", page, StringComparison.Ordinal);
        // What is still HTML is well formed: the browser finds as many ends as beginnings.
        foreach (var tag in new[] { "td", "tr", "table", "section", "text", "dd", "h1", "svg" })
            Assert.Equal(Regex.Count(page, $"<{tag}[ >]"), Regex.Count(page, $"</{tag}>"));
    }

    [Fact]
    public void A_profile_of_many_stacks_and_endless_names_makes_a_small_page()
    {
        var encoder = PprofEncoder.Heap();
        for (var i = 0; i < 6_000; i++)
            encoder.Sample([encoder.At($"leaf{i}" + new string('x', i % 100 == 0 ? 100_000 : 500)), encoder.At("main.main")], 1, 1000 + i);
        var profile = Profiles.Pprof.PprofProfile.Read(new MemoryStream(encoder.ToArray()));

        var page = Write(Sample.Leak() with { Flames = [ReportFlame.Of("heap", profile)!] });

        Assert.InRange(page.Length, 10_000, 450_000);
    }

    [Fact]
    public void A_name_as_long_as_a_book_is_cut() =>
        Assert.InRange(Html.Encode(new string('x', 1 << 20)).Length, 1000, 1001);

    [Fact]
    public void Without_a_limit_the_page_says_so()
    {
        var leak = Sample.Leak();
        var page = Write(leak with
        {
            Record = leak.Record with { Memory = leak.Record.Memory with { LimitBytes = null, CeilingBytes = null } },
            Memory = [.. leak.Memory.Select(point => point with { LimitBytes = null, CeilingBytes = null })],
        });

        Assert.Contains("The container has no memory limit.", page, StringComparison.Ordinal);
        Assert.DoesNotContain("class=\"limit\"", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_samples_there_is_no_chart_and_the_page_says_so()
    {
        var page = Write(Sample.Leak() with { Memory = [], Graphs = [] });

        Assert.Contains("No memory samples were kept", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<svg", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_single_sample_is_a_chart() => Assert.Contains("<circle", Write(Sample.Leak() with { Memory = [Sample.Leak().Memory[0]] }), StringComparison.Ordinal);

    [Fact]
    public void Without_tables_the_record_gives_the_headline()
    {
        var data = Sample.Leak() with { Tables = [] };
        Assert.Contains("<h1>Captured when near-limit fired</h1>", Write(data), StringComparison.Ordinal);

        data = data with { Record = data.Record with { Top = [new TopEntry("main.f", 10, 33.3)] } };
        Assert.Contains("<h1>33.3 % of live heap is held by main.f</h1>", Write(data), StringComparison.Ordinal);

        data = data with { Record = data.Record with { Top = [], Artifacts = [new Artifact { Type = "Heap", Key = "heap.pb.gz", Error = "the target did not answer" }] } };
        Assert.Contains("<h1>No heap profile: the target did not answer</h1>", Write(data), StringComparison.Ordinal);
    }

    [Fact]
    public void A_moment_that_a_clock_jump_moved_far_away_is_named_below_the_chart()
    {
        var leak = Sample.Leak();
        var page = Write(leak with { Record = leak.Record with { DiedAt = Sample.Start.AddYears(-56) } });

        Assert.Contains("Outside of the chart: the end at 1970-03-04 11:59:30 UTC.", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_million_samples_become_a_thousand_points_and_lose_no_peak()
    {
        var points = new List<MemoryPoint>(1_000_000);
        for (var i = 0; i < 1_000_000; i++)
            points.Add(new MemoryPoint(Sample.Start.AddMilliseconds(i * 5), i == 777_777 ? 200 << 20 : 50 << 20, 60 << 20, 256 << 20, 256 << 20));
        var clock = Stopwatch.StartNew();

        var series = MemorySeries.Of(points)!;

        Assert.InRange(series.Points.Count, 2, MemorySeries.MaxPoints);
        Assert.Contains(series.Points, point => point.WorkingSetBytes == 200 << 20);
        Assert.Equal((200L << 20, points[0].At, points[^1].At), (series.PeakBytes, series.First, series.Last));
        Assert.Equal(series.Points.OrderBy(point => point.At), series.Points);
        Assert.InRange(Write(Sample.Leak() with { Memory = points, Graphs = [] }).Length, 1, 120_000);
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 20);
    }

    [Theory]
    [InlineData(0.041, "41 ms")]
    [InlineData(2.34, "2.3 s")]
    [InlineData(250, "4 m 10 s")]
    [InlineData(7260, "2 h 1 m")]
    [InlineData(-3.7, "−3.7 s")]
    public void Lengths_of_time_are_told_as_people_tell_them(double seconds, string words) => Assert.Equal(words, ReportPage.Took(TimeSpan.FromSeconds(seconds)));

    private static string Write(ReportData data)
    {
        using var page = new StringWriter { NewLine = "\n" };
        ReportPage.Write(page, data);
        return page.ToString();
    }
}
