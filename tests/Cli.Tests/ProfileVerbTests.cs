using System.Xml;
using System.Xml.Linq;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

/// <summary>Where the verbs on profiles read from and write to.</summary>
public sealed class ProfileVerbTests
{
    private static readonly string Heap = Repository.Path("tests", "Profiles.Tests", "testdata", "heap.pb.gz");

    private static readonly string Cpu = Repository.Path("tests", "Profiles.Tests", "testdata", "cpu.pb.gz");

    [Fact]
    public void A_captures_folder_is_read_by_its_heap_or_by_the_type_that_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Heap, folder.File("heap.pb.gz"));
        File.Copy(Cpu, folder.File("cpu.pb.gz"));

        Assert.Equal(Premortem.Run("top", Heap), Premortem.Run("top", folder.Path));
        Assert.Equal(Premortem.Run("top", Cpu), Premortem.Run("top", folder.Path, "--type", "Cpu"));
        var (exitCode, _, errors) = Premortem.Run("top", folder.Path, "--type", "mutex");
        Assert.Equal(1, exitCode);
        Assert.Contains("no profile of type mutex; it has cpu.pb.gz, heap.pb.gz", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_captures_folder_is_compared_with_its_baseline()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Heap, folder.File("heap.pb.gz"));
        var baseline = folder.File("baseline-heap.pb.gz");
        File.WriteAllBytes(baseline, new PprofEncoder()
            .SampleType("alloc_objects", "count").SampleType("alloc_space", "bytes").SampleType("inuse_objects", "count").SampleType("inuse_space", "bytes").ToGzip());

        Assert.Equal(Premortem.Run("top", $"-diff_base={baseline}", Heap), Premortem.Run("diff", folder.Path));
        Assert.Equal(Premortem.Run("diff", baseline, Heap), Premortem.Run("diff", folder.Path));
    }

    [Fact]
    public async Task A_running_program_is_read_by_its_url()
    {
        await using var target = await GoLeak.StartAsync(flags: ["-rate", "400", "-size", "20"]);
        await target.Process.WaitForLineAsync("done growing");

        var (exitCode, output, errors) = Premortem.Run("top", $"{target.Pprof}debug/pprof/heap?gc=1");
        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Contains("main.MemoryIntensiveFunc", output, StringComparison.Ordinal);
        Assert.Contains("Duration: ", Premortem.Run("traces", $"{target.Pprof}debug/pprof/profile", "-seconds=1").Output, StringComparison.Ordinal);

        (exitCode, _, errors) = Premortem.Run("top", $"{target.Pprof}debug/pprof/none");
        Assert.Equal(1, exitCode);
        Assert.Contains("the server answered 404 Not Found: Unknown profile", errors, StringComparison.Ordinal);
        (exitCode, _, errors) = Premortem.Run("top", target.Pprof.ToString());
        Assert.Equal(2, exitCode);
        Assert.Contains("/debug/pprof/heap", errors, StringComparison.Ordinal);
        (exitCode, _, errors) = Premortem.Run("top", $"{target.Pprof}debug/pprof/profile?seconds=30", "-timeout=1");
        Assert.Equal(1, exitCode);
        Assert.Contains("no whole answer within 1 s", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("heap")]
    [InlineData("goroutine")]
    [InlineData("threadcreate")]
    public async Task The_text_of_a_profile_says_what_the_profile_says(string endpoint)
    {
        await using var target = await GoLeak.StartAsync(flags: ["-rate", "400", "-size", "20", "-goroutines", "20", "-spin=false"]);
        await target.Process.WaitForLineAsync("done growing");
        string[] flags = ["top", "-nodefraction=0", "-unit=auto", "-show=^main\\."];

        var text = Premortem.Run([.. flags, $"{target.Pprof}debug/pprof/{endpoint}?debug=1"]);
        var whole = Premortem.Run([.. flags, $"{target.Pprof}debug/pprof/{endpoint}"]);

        Assert.Equal((0, ""), (text.ExitCode, text.Errors));
        Assert.Equal(Rows(whole.Output), Rows(text.Output));

        static string[] Rows(string report) => report.Split("cum%\n")[1].Split('\n');
    }

    [Fact]
    public async Task A_certificate_of_its_own_is_trusted_only_where_that_is_said()
    {
        await using var target = await GoLeak.StartAsync(flags: ["-tls"]);
        var heap = $"{target.Pprof}debug/pprof/heap";

        Assert.Equal(1, Premortem.Run("top", heap).ExitCode);
        Assert.Equal(0, Premortem.Run("top", heap.Replace("https:", "https+insecure:", StringComparison.Ordinal)).ExitCode);
    }

    [Fact]
    public void A_flame_graph_is_well_formed_and_as_wide_as_the_whole()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("flame.svg");

        Assert.Equal((0, ""), (Premortem.Run("flame", Cpu, "-o", file).ExitCode, Premortem.Run("flame", Cpu, "-o", "-", "-focus=no such function").Errors));

        var frames = Frames(file);
        Assert.Equal("all", frames[0].Name);
        Assert.Equal(1, frames[0].Share);
        foreach (var deep in frames.Where(frame => frame.Depth > 0))
            Assert.Contains(frames, frame => frame.Depth == deep.Depth - 1 && frame.Start <= deep.Start + 1e-6 && frame.Start + frame.Share >= deep.Start + deep.Share - 1e-6);
        Assert.True(frames.Where(frame => frame.Depth == 1).Sum(frame => frame.Share) is > 0.95 and <= 1.0001);
        var (exitCode, _, errors) = Premortem.Run("flame", Cpu, "-o", file);
        Assert.Equal(1, exitCode);
        Assert.Contains("--force replaces it", errors, StringComparison.Ordinal);
        Assert.Equal(0, Premortem.Run("flame", Cpu, "-o", file, "--force").ExitCode);
    }

    [Fact]
    public void A_flame_graph_of_two_tells_what_has_grown_and_fetches_nothing()
    {
        using var folder = new TemporaryFolder();
        var (before, after, file) = (folder.File("before.pb"), folder.File("after.pb"), folder.File("flame.svg"));
        File.WriteAllBytes(before, Two(100, 300));
        File.WriteAllBytes(after, Two(400, 100));

        Assert.Equal(0, Premortem.Run("flame", after, $"-diff_base={before}", "-o", file).ExitCode);

        var titles = XDocument.Load(file).Descendants().Where(element => element.Name.LocalName == "title").Select(element => element.Value).ToList();
        Assert.Contains("grows (400B, 80.00%; 300B more)", titles);
        Assert.Contains("shrinks (100B, 20.00%; 200B less)", titles);
        var text = File.ReadAllText(file);
        Assert.DoesNotContain("href", text, StringComparison.Ordinal);
        Assert.Single(text.Split("http://").Skip(1));

        static byte[] Two(long grows, long shrinks)
        {
            var encoder = PprofEncoder.Heap();
            return encoder.Sample([encoder.At("grows")], 1, grows).Sample([encoder.At("shrinks")], 1, shrinks).ToArray();
        }
    }

    [Fact]
    public void A_hostile_name_stays_a_name_in_a_flame_graph()
    {
        const string evil = "</title><script>alert(1)</script>\u0001]]>\"'&\uFFFF\u202E";
        using var folder = new TemporaryFolder();
        var (profile, file) = (folder.File("evil.pb"), folder.File("flame.svg"));
        var encoder = PprofEncoder.Heap();
        File.WriteAllBytes(profile, encoder.Sample([encoder.At(evil)], 1, 100).ToArray());

        Assert.Equal(0, Premortem.Run("flame", profile, "-o", file).ExitCode);

        var scripts = XDocument.Load(file).Descendants().Where(element => element.Name.LocalName == "script");
        Assert.DoesNotContain("alert", Assert.Single(scripts).Value, StringComparison.Ordinal);
    }

    [Fact]
    public void A_call_graph_is_drawn_or_written_for_graphviz()
    {
        using var folder = new TemporaryFolder();
        var (svg, dot) = (folder.File("graph.svg"), folder.File("graph.dot"));

        Assert.Equal((0, "", $"premortem: the graph is in {svg}\n"), Premortem.Run("graph", Cpu, "-o", svg));
        Assert.Equal(0, Premortem.Run("graph", Cpu, "-o", dot, "-nodecount=3").ExitCode);

        var top = Premortem.Run("top", Cpu, "-nodecount=1").Output.Trim().Split('\n')[^1].Split("  ")[^1];
        Assert.Contains(XDocument.Load(svg).Descendants(), element => element.Name.LocalName == "title" && element.Value.StartsWith(top + ": flat ", StringComparison.Ordinal));
        Assert.Equal(3, File.ReadLines(dot).Count(line => line.StartsWith('N') && !line.Contains(" -> ", StringComparison.Ordinal)));
        Assert.Equal(File.ReadAllText(dot), Premortem.Run("graph", Cpu, "-o", "-", "-nodecount=3", "-dot").Output);
        Assert.Equal(1, Premortem.Run("graph", Cpu, "-o", svg).ExitCode);
    }

    [Fact]
    public void What_is_deeper_than_can_be_shown_is_told()
    {
        using var folder = new TemporaryFolder();
        var (profile, file) = (folder.File("deep.pb"), folder.File("flame.svg"));
        var encoder = PprofEncoder.Heap();
        File.WriteAllBytes(profile, encoder.Sample([.. Enumerable.Repeat(encoder.At("again"), 100_000)], 1, 100).ToArray());

        Assert.Equal(0, Premortem.Run("flame", profile, "-o", file).ExitCode);
        Assert.Contains("99600 frames of deep stacks are not shown", File.ReadAllText(file), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tree")]
    [InlineData("traces")]
    [InlineData("tags")]
    [InlineData("flame")]
    [InlineData("merge", "-o", "-")]
    public void A_table_of_types_has_no_stacks(string verb, params string[] more)
    {
        using var folder = new TemporaryFolder();
        var encoder = NettraceEncoder.Start();
        var file = folder.File("allocations.nettrace");
        File.WriteAllBytes(file, encoder.Event(303, encoder.AllocationSampled(1, "Shop.Order", 48)).ToArray());

        var (exitCode, output, errors) = Premortem.Run([verb, file, .. more]);

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains("'premortem top' prints it", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("top", "-focus=(")]
    [InlineData("top", "-granularity=modules")]
    [InlineData("top", "-lines", "-files")]
    [InlineData("top", "-normalize")]
    [InlineData("tree", "-base=a", "-diff_base=b")]
    [InlineData("tree", "-edgefraction=2")]
    [InlineData("traces", "-cum")]
    [InlineData("diff")]
    [InlineData("traces", "-tagfocus=99999999999999999999kb")]
    public void What_does_not_fit_ends_with_2(string verb, params string[] flags)
    {
        var (exitCode, output, errors) = Premortem.Run([verb, .. flags, Heap]);

        Assert.Equal((2, ""), (exitCode, output));
        Assert.StartsWith("premortem: ", errors, StringComparison.Ordinal);
    }

    private static List<(string Name, double Start, double Share, int Depth)> Frames(string file)
    {
        var document = XDocument.Load(file);
        return [.. document.Descendants().Where(element => (string?)element.Attribute("class") == "f").Select(element => (
            (string)element.Attribute("data-n")!,
            XmlConvert.ToDouble((string)element.Attribute("data-x")!),
            XmlConvert.ToDouble((string)element.Attribute("data-w")!),
            XmlConvert.ToInt32((string)element.Attribute("data-d")!)))];
    }
}
