using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

/// <summary>Profiles in other formats, and .NET's CPU samples as profiles.</summary>
public sealed class ConvertTests
{
    private const string Sampler = "Microsoft-DotNETCore-SampleProfiler";
    private const string Rundown = "Microsoft-Windows-DotNETRuntimeRundown";

    // Reprice, called by Run, called by what has no name: four samples in managed code, one in none.
    private static NettraceEncoder Trace() => NettraceEncoder.Start()
        .Stacks(1, Stack(0x1010, 0x2100, 0x9000), Stack(0x2050, 0x9000))
        .Event(0, Kind(2), at: 2000, thread: 7, stack: 1, provider: Sampler)
        .Event(0, Kind(2), at: 4000, thread: 7, stack: 1, provider: Sampler)
        .Event(0, Kind(2), at: 6000, thread: 7, stack: 2, provider: Sampler)
        .Event(0, Kind(2), at: 8000, thread: 7, stack: 1, provider: Sampler)
        .Event(0, Kind(1), at: 10_000, thread: 7, stack: 2, provider: Sampler);

    private static byte[] Named() => Trace()
        .Event(1, [.. Text("/app/shop --token secret"), .. Text("Linux"), .. Text("x64")], provider: "Microsoft-DotNETCore-EventPipe")
        .Event(144, Method(0x1000, 0x20, "Shop.Prices", "Reprice", "instance void  (int32)"), provider: Rundown)
        // The call of Reprice is the last thing in it.
        .Event(144, Method(0x2000, 0x100, "Shop.Loop", "Run", "void  ()"), provider: Rundown)
        .ToArray();

    [Fact]
    public void Samples_of_managed_code_are_counted_by_method()
    {
        using var folder = new TemporaryFolder();
        var (exitCode, output, errors) = Premortem.Run("top", Write(folder, Named()));

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Contains("File: shop\n", output, StringComparison.Ordinal);
        Assert.Contains("Type: cpu\n", output, StringComparison.Ordinal);
        // The clock's ticks are microseconds: a sample each 2 ms.
        Assert.Equal(
            [
                "       6ms 75.00% 75.00%        6ms 75.00%  Shop.Prices.Reprice(int32)",
                "       2ms 25.00%   100%        8ms   100%  Shop.Loop.Run()",
                "         0     0%   100%        8ms   100%  [unknown code]",
            ],
            Rows(output));
        Assert.DoesNotContain("secret", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Wall_time_has_what_was_in_unmanaged_code_or_waited()
    {
        using var folder = new TemporaryFolder();
        var (_, output, _) = Premortem.Run("top", "-sample_index=wall", Write(folder, Named()));

        Assert.Contains("       2ms 20.00% 80.00%        2ms 20.00%  (unmanaged code or waiting)", Rows(output));
    }

    [Fact]
    public void A_trace_that_was_cut_before_its_methods_were_named_says_so()
    {
        using var folder = new TemporaryFolder();
        var cut = Named();
        var (exitCode, output, _) = Premortem.Run("top", Write(folder, cut[..^400]));

        Assert.Equal(0, exitCode);
        Assert.Contains("partial: the trace was cut, and methods that it would have named at its end are unknown code", output, StringComparison.Ordinal);
        Assert.Contains("[unknown code]", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_trace_that_ends_anywhere_is_a_part_or_an_error_that_says_what_is_missing()
    {
        using var folder = new TemporaryFolder();
        var whole = Named();
        for (var length = 0; length < whole.Length; length += 7)
        {
            var (exitCode, _, errors) = Premortem.Run("top", Write(folder, whole[..length]));
            Assert.True(exitCode == 0 || errors.StartsWith("premortem: ", StringComparison.Ordinal), errors);
        }
    }

    [Fact]
    public async Task The_profile_of_a_trace_opens_in_pprof_with_the_same_rows()
    {
        using var folder = new TemporaryFolder();
        var trace = Write(folder, Named());
        foreach (var name in new[] { "cpu.pb.gz", "cpu.pb" })
        {
            Assert.Equal(0, Premortem.Run("convert", trace, "-o", folder.File(name)).ExitCode);
            foreach (var flags in new[] { [], ["-cum"], ["-sample_index=wall"], new[] { "-sample_index=samples" } })
                Assert.Equal(
                    GoPprof.WithoutTime(await GoPprof.RunAsync(["-top", .. flags, folder.File(name)])),
                    GoPprof.WithoutTime(Premortem.Run(["top", .. flags, trace]).Output));
        }
    }

    [Fact]
    public void Folded_stacks_have_a_line_for_each_stack()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(0, Premortem.Run("convert", Write(folder, Named()), "-o", folder.File("cpu.folded"), "-sample_index=samples").ExitCode);

        Assert.Equal(
            "[unknown code];Shop.Loop.Run() 1\n[unknown code];Shop.Loop.Run();Shop.Prices.Reprice(int32) 3\n", File.ReadAllText(folder.File("cpu.folded")));
    }

    [Fact]
    public void Speedscope_has_a_profile_for_each_sample_type()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(0, Premortem.Run("convert", Write(folder, Named()), "-o", folder.File("cpu.speedscope.json")).ExitCode);

        using var json = JsonDocument.Parse(File.ReadAllText(folder.File("cpu.speedscope.json")));
        var frames = json.RootElement.GetProperty("shared").GetProperty("frames").EnumerateArray().Select(frame => frame.GetProperty("name").GetString()).ToList();
        var profiles = json.RootElement.GetProperty("profiles").EnumerateArray().ToList();
        Assert.Equal(["samples none", "cpu nanoseconds", "wall nanoseconds"], profiles.Select(profile => $"{profile.GetProperty("name")} {profile.GetProperty("unit")}"));
        Assert.Equal(1, json.RootElement.GetProperty("activeProfileIndex").GetInt32());
        var cpu = profiles[1];
        Assert.Equal(
            ["[unknown code] Shop.Loop.Run() Shop.Prices.Reprice(int32)", "[unknown code] Shop.Loop.Run()"],
            cpu.GetProperty("samples").EnumerateArray().Select(sample => string.Join(' ', sample.EnumerateArray().Select(frame => frames[frame.GetInt32()]))));
        Assert.Equal([6_000_000L, 2_000_000], cpu.GetProperty("weights").EnumerateArray().Select(weight => weight.GetInt64()));
        Assert.Equal(8_000_000, cpu.GetProperty("endValue").GetInt64());
    }

    [Fact]
    public void A_semicolon_in_a_name_does_not_divide_it()
    {
        using var folder = new TemporaryFolder();
        var trace = Trace().Event(144, Method(0x1000, 0x20, "", "a;b\nc", ""), provider: Rundown).ToArray();
        Assert.Equal(0, Premortem.Run("convert", Write(folder, trace), "-o", folder.File("cpu.folded")).ExitCode);

        var lines = File.ReadAllLines(folder.File("cpu.folded"));
        Assert.Equal(2, lines.Length);
        Assert.Contains(lines, line => line.Split(';') is [_, _, var last] && last.StartsWith("a:b", StringComparison.Ordinal));
    }

    [Fact]
    public void A_Go_profile_keeps_its_bytes()
    {
        using var folder = new TemporaryFolder();
        var bytes = PprofEncoder.Heap().ToGzip();
        File.WriteAllBytes(folder.File("heap.pb.gz"), bytes);
        Assert.Equal(0, Premortem.Run("convert", folder.File("heap.pb.gz"), "-o", folder.File("raw"), "--format", "pprof-raw").ExitCode);

        Assert.Equal(Gzip.Unpack(bytes), File.ReadAllBytes(folder.File("raw")));
    }

    [Theory]
    [InlineData("x.svg", "no format has the extension of x.svg")]
    [InlineData("-", "--format says what to write")]
    public void A_format_that_nobody_named_is_asked_for(string path, string problem)
    {
        using var folder = new TemporaryFolder();
        var (exitCode, _, errors) = Premortem.Run("convert", Write(folder, Named()), "-o", path);

        Assert.Equal(2, exitCode);
        Assert.Contains(problem, errors, StringComparison.Ordinal);
    }

    private static string[] Rows(string report) => [.. report.Split("cum%\n")[1].TrimEnd('\n').Split('\n')];

    private static string Write(TemporaryFolder folder, byte[] trace)
    {
        File.WriteAllBytes(folder.File("cpu.nettrace"), trace);
        return folder.File("cpu.nettrace");
    }

    private static byte[] Kind(int kind) => [(byte)kind, 0, 0, 0];

    private static byte[] Text(string text) => [.. Encoding.Unicode.GetBytes(text), 0, 0];

    private static byte[] Stack(params long[] addresses) => [.. addresses.SelectMany(Long)];

    private static byte[] Method(long start, int bytes, string type, string name, string signature) =>
        [.. Long(1), .. Long(2), .. Long(start), .. Long(bytes).AsSpan(0, 4), .. new byte[8], .. Text(type), .. Text(name), .. Text(signature), 0, 0, .. Long(0)];

    private static byte[] Long(long value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }
}
