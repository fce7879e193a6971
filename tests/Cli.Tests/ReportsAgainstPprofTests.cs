using System.Text.RegularExpressions;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

/// <summary>Every verb and every option prints what <c>go tool pprof</c> prints with it, to the last character.</summary>
public sealed class ReportsAgainstPprofTests
{
    private static readonly string[] Verbs = ["top", "tree", "peek", "traces", "tags"];

    // Of each row one is taken, at its turn.
    private static readonly string[][][] Options =
    [
        [[], ["-cum"], ["-nodecount=5"], ["-nodefraction=0"], ["-nodefraction=0", "-edgefraction=0"], ["-edgefraction=0.2"], ["-nodecount=3", "-cum", "-edgefraction=0"], ["-trim=false"], ["-drop_negative"]],
        [["-functions"], ["-filefunctions"], ["-files"], ["-lines"], ["-addresses"], [], ["-lines", "-trim_path=/src"], ["-filefunctions", "-trim_path=/x:/src/"]],
        [
            [], ["-focus=f1"], ["-ignore=f2|x.so"], ["-hide=f3|g"], ["-show=f|main"], ["-show_from=f[1-5]"], ["-prune_from=f[1-3]"], ["-focus=app"], ["-hide=x.so"], ["-show=app"],
            ["-show_from=app"], ["-focus=f", "-ignore=g1", "-hide=f4", "-show_from=f"], ["-focus=no such function"], ["-show=a.go", "-ignore=f0"], ["-hide=b\\.go$"],
            ["-tagfocus=u1"], ["-tagfocus=user=u[12]"], ["-tagignore=u3,sample"], ["-tagfocus=request=1kb:"], ["-tagfocus=512b"], ["-tagfocus=bytes=:512b"], ["-tagignore=1kb:2kb"],
            ["-tagfocus=user=u1,u2", "-focus=f"], ["-tagshow=user|bytes"], ["-taghide=sample"], ["-tagfocus=weight=2"],
        ],
        [[], ["-noinlines"], ["-relative_percentages"], ["-unit=kb"], ["-unit=auto"], ["-unit=ms"], ["-sample_index=0"], ["-unit=minimum", "-noinlines"]],
    ];

    [Theory]
    [InlineData("heap")]
    [InlineData("allocs")]
    [InlineData("goroutine")]
    [InlineData("threadcreate")]
    [InlineData("block")]
    [InlineData("mutex")]
    [InlineData("profile?seconds=1")]
    public async Task A_live_profile_makes_the_same_reports(string endpoint)
    {
        await using var target = await GoLeak.StartAsync(flags: ["-rate", "400", "-size", "60", "-mode", "stacks", "-depth", "8", "-goroutines", "20"]);
        using var folder = new TemporaryFolder();
        using var http = new HttpClient();
        if (endpoint is "heap" or "allocs")
            await target.Process.WaitForLineAsync("done growing");
        var file = folder.File("profile.pb.gz");
        await File.WriteAllBytesAsync(file, await http.GetByteArrayAsync(new Uri(target.Pprof, $"/debug/pprof/{endpoint}")));

        await AssertAllSameAsync(file);
    }

    [Theory]
    [InlineData("hold")]
    [InlineData("sawtooth")]
    [InlineData("pagecache")]
    [InlineData("stacks")]
    public async Task However_a_program_eats_memory_its_heap_makes_the_same_reports(string mode)
    {
        using var folder = new TemporaryFolder();
        await using var target = await GoLeak.StartAsync(flags: ["-rate", "200", "-size", "20", "-mode", mode, "-file", folder.File("pages"), "-profile-rate", "4096"]);
        using var http = new HttpClient();
        var heap = new Uri(target.Pprof, "/debug/pprof/heap?gc=1");
        var file = folder.File("heap.pb.gz");
        await Eventually.IsTrueAsync(async () =>
        {
            await File.WriteAllBytesAsync(file, await http.GetByteArrayAsync(heap));
            return Premortem.Run("peek", "main", file).ExitCode == 0;
        }, "a heap profile with a function of the program");

        await AssertAllSameAsync(file);
    }

    [Fact]
    public async Task A_database_servers_profiles_make_the_same_reports()
    {
        using var folder = new TemporaryFolder();
        var (client, peer) = (FreePort(), FreePort());
        await using var etcd = ChildProcess.Start(
            KubeAssets.Etcd,
            [
                "--enable-pprof", "--data-dir", folder.File("data"), "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", $"default={peer}",
            ]);
        using var http = new HttpClient();
        var file = folder.File("profile.pb.gz");
        await Eventually.IsTrueAsync(async () =>
        {
            try
            {
                return (await http.GetStringAsync(new Uri(client + "/health"))).Contains("true", StringComparison.Ordinal);
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }, "etcd is healthy");
        foreach (var endpoint in new[] { "heap", "allocs", "goroutine", "threadcreate", "profile?seconds=1" })
        {
            await File.WriteAllBytesAsync(file, await http.GetByteArrayAsync(new Uri($"{client}/debug/pprof/{endpoint}")));
            await AssertAllSameAsync(file);
        }

        static string FreePort()
        {
            using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
            listener.Start();
            return $"http://{listener.LocalEndpoint}";
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_made_up_profile_makes_the_same_reports(int quarter)
    {
        using var folder = new TemporaryFolder();
        for (var seed = Fuzz.Seed + (quarter * 100_000); seed < Fuzz.Seed + (quarter * 100_000) + Profiles; seed++)
        {
            var file = folder.File($"{seed}.pb");
            await File.WriteAllBytesAsync(file, RandomProfile.MakeRich(seed));
            var verb = Verbs[seed % Verbs.Length];
            await AssertSameAsync(verb, file, "f|main", Fit(verb, Some(seed)));
        }
    }

    [Theory]
    [InlineData("-base")]
    [InlineData("-diff_base")]
    [InlineData("-base", "-normalize")]
    [InlineData("-diff_base", "-normalize")]
    public async Task The_difference_of_two_makes_the_same_reports(string flag, params string[] more)
    {
        using var folder = new TemporaryFolder();
        for (var seed = Fuzz.Seed; seed < Fuzz.Seed + Profiles; seed++)
        {
            var (file, other) = (folder.File($"{seed}.pb"), folder.File($"{seed}-base.pb"));
            await File.WriteAllBytesAsync(file, RandomProfile.MakeRich(seed, values: 1));
            await File.WriteAllBytesAsync(other, RandomProfile.MakeRich(seed, values: 2));
            var verb = Verbs[seed % Verbs.Length];
            await AssertSameAsync(verb, file, "f|main", [.. Fit(verb, Some(seed)), $"{flag}={other}", .. more]);
        }
    }

    [Fact]
    public async Task Merged_profiles_are_what_pprof_makes_of_several()
    {
        using var folder = new TemporaryFolder();
        for (var seed = Fuzz.Seed; seed < Fuzz.Seed + Profiles; seed++)
        {
            var files = Enumerable.Range(0, 3).Select(i => folder.File($"{seed}-{i}.pb")).ToArray();
            foreach (var (i, file) in files.Index())
                await File.WriteAllBytesAsync(file, RandomProfile.MakeRich(seed, values: i));
            var merged = folder.File($"{seed}.pb.gz");
            Assert.Equal((0, "", ""), Premortem.Run(["merge", .. files, "-o", merged]));

            foreach (var verb in Verbs)
            {
                var report = verb == "peek" ? "-peek=f|main" : $"-{verb}";
                Assert.Equal(
                    await RunPprofAsync(report, "-lines", files),
                    await RunPprofAsync(report, "-lines", [merged]));
            }
        }

        static async Task<string> RunPprofAsync(string report, string flag, string[] files)
        {
            try
            {
                return await GoPprof.RunAsync([report, flag, .. files]);
            }
            catch (InvalidOperationException e) when (e.Message.Contains("no matches found", StringComparison.Ordinal))
            {
                return "no matches found";
            }
        }
    }

    [Theory]
    [InlineData("heap.pb.gz")]
    [InlineData("cpu.pb.gz")]
    [InlineData("heap.pb.gz", "-hide=runtime")]
    [InlineData("cpu.pb.gz", "-hide=strconv|schedule")]
    [InlineData("cpu.pb.gz", "-nodefraction=0.02")]
    [InlineData("heap.pb.gz", "-sample_index=alloc_space", "-nodefraction=0.01")]
    public async Task The_call_graph_has_the_same_arrows(string file, params string[] flags)
    {
        var profile = Repository.Path("tests", "Profiles.Tests", "testdata", file);
        var theirs = await GoPprof.RunAsync(["-dot", "-nodecount=0", .. flags, profile]);
        var (code, ours, errors) = Premortem.Run(["graph", "-dot", "-nodecount=0", .. flags, profile, "-o", "-"]);

        Assert.Equal((0, ""), (code, errors));
        var arrows = Arrows(theirs, @"(?<!label)tooltip=""(.*?) (?:->|\.\.\.) (.*?) \((.*?)\)""");
        Assert.NotEmpty(arrows);
        Assert.Equal(arrows, Arrows(ours, @"-> .*tooltip=""(.*?) -> (.*?): ([^,""]*)"));

        static List<(string, string, string)> Arrows(string dot, string pattern) =>
            [.. Regex.Matches(dot, pattern).Select(match => (match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value)).Order()];
    }

    private static async Task AssertAllSameAsync(string file)
    {
        foreach (var verb in Verbs)
            foreach (var flags in new string[][]
            {
                [], ["-cum", "-lines"], ["-focus=main", "-nodefraction=0", "-edgefraction=0"], ["-hide=runtime", "-files"], ["-show=main|net", "-noinlines"],
                ["-ignore=main", "-filefunctions"], ["-addresses", "-nodecount=12"], ["-show_from=main", "-relative_percentages"], ["-unit=B", "-trim=false"],
                ["-tagfocus=1kb:"], ["-lines", $"-trim_path=/usr/lib/go:{Path.GetDirectoryName(Path.GetDirectoryName(Repository.Path("tests")))}"],
            })
                await AssertSameAsync(verb, file, "main|runtime", Fit(verb, flags));
    }

    private static int Profiles { get; } = Fuzz.Profiles;

    private static string[] Some(int seed)
    {
        var random = new Random(seed);
        return [.. Options.SelectMany(options => options[random.Next(options.Length)])];
    }

    /// <summary>Without the flags that a verb does not have: pprof takes them and does nothing.</summary>
    private static string[] Fit(string verb, string[] flags) =>
        [.. flags.Where(flag => verb switch
        {
            "peek" => flag.Split('=')[0] is not ("-nodecount" or "-nodefraction" or "-edgefraction" or "-trim"),
            "traces" or "tags" => flag.Split('=')[0] is not ("-nodecount" or "-nodefraction" or "-edgefraction" or "-trim" or "-cum" or "-drop_negative" or "-trim_path"),
            _ => true,
        })];

    private static async Task AssertSameAsync(string verb, string file, string peek, string[] flags)
    {
        string[] regex = verb == "peek" ? [peek] : [];
        var (exitCode, output, errors) = Premortem.Run([verb, .. flags, .. regex, file]);
        string theirs;
        try
        {
            theirs = GoPprof.WithoutTime(await GoPprof.RunAsync([verb == "peek" ? $"-peek={peek}" : $"-{verb}", .. flags, file]));
        }
        catch (InvalidOperationException e) when (e.Message.Contains("no matches found", StringComparison.Ordinal))
        {
            Assert.Equal(1, exitCode);
            return;
        }
        var ours = GoPprof.WithoutTime(output);
        Assert.Equal((0, ""), (exitCode, errors));
        Assert.True(theirs == ours || Settled(verb, theirs) == Settled(verb, ours), $"{file} {verb} {string.Join(' ', flags)}\npprof:\n{theirs}\npremortem:\n{ours}");
    }

    /// <summary>
    /// Between calls, or tags, of one weight but for its sign pprof leaves the order to chance, and so it does between calls of equal
    /// names: the lines of each block that are calls, or tags, are put in order.
    /// </summary>
    private static string Settled(string verb, string report)
    {
        var mark = verb == "tags" ? ": " : " |   ";
        var lines = report.Split('\n');
        for (var start = 0; start < lines.Length; start++)
        {
            var end = start;
            while (end < lines.Length && lines[end].Contains(mark, StringComparison.Ordinal))
                end++;
            Array.Sort(lines, start, end - start, StringComparer.Ordinal);
            start = Math.Max(start, end - 1);
        }
        return string.Join('\n', lines);
    }
}
