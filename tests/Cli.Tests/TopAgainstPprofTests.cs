using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

/// <summary>What <c>premortem top</c> prints is what <c>go tool pprof -top</c> prints, to the last character.</summary>
public sealed class TopAgainstPprofTests
{
    private static readonly string[][] Flags =
    [
        [],
        ["-cum"],
        ["-nodecount=5"],
        ["-nodecount=3", "-cum"],
        ["-nodefraction=0"],
        ["-nodefraction=0.1"],
        ["-sample_index=0"],
    ];

    [Theory]
    [InlineData("heap")]
    [InlineData("allocs")]
    [InlineData("goroutine")]
    [InlineData("threadcreate")]
    [InlineData("block")]
    [InlineData("mutex")]
    [InlineData("profile?seconds=1")]
    public async Task A_live_profile_makes_the_same_table(string endpoint)
    {
        await using var target = await GoLeak.StartAsync(flags: ["-rate", "40", "-size", "60", "-goroutines", "20"]);
        using var folder = new TemporaryFolder();
        using var http = new HttpClient();
        // Of heap and allocs there is something to see once something has been allocated; a second of CPU comes by itself.
        if (endpoint is "heap" or "allocs")
            await target.Process.WaitForLineAsync("done growing");
        var file = folder.File("profile.pb.gz");
        await File.WriteAllBytesAsync(file, await http.GetByteArrayAsync(new Uri(target.Pprof, $"/debug/pprof/{endpoint}")));

        foreach (var flags in Flags)
            await AssertSameAsync(file, flags);
        if (endpoint is "heap" or "allocs")
            foreach (var type in new[] { "alloc_space", "alloc_objects", "inuse_space", "inuse_objects" })
                await AssertSameAsync(file, [$"-sample_index={type}"]);
    }

    [Fact]
    public async Task A_leak_is_named()
    {
        await using var target = await GoLeak.StartAsync(flags: ["-rate", "400", "-size", "60"]);
        await target.Process.WaitForLineAsync("done growing");
        using var folder = new TemporaryFolder();
        using var http = new HttpClient();
        var file = folder.File("heap.pb.gz");
        await File.WriteAllBytesAsync(file, await http.GetByteArrayAsync(new Uri(target.Pprof, "/debug/pprof/heap?gc=1")));

        var (_, output, _) = Premortem.Run("top", file);

        Assert.Contains("main.MemoryIntensiveFunc", output.Split("cum%\n")[1].Split('\n')[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_made_up_profile_makes_the_same_table(int quarter)
    {
        using var folder = new TemporaryFolder();
        for (var seed = Fuzz.Seed + (quarter * 10_000); seed < Fuzz.Seed + (quarter * 10_000) + Profiles; seed++)
        {
            var file = folder.File($"{seed}.pb");
            await File.WriteAllBytesAsync(file, RandomProfile.Make(seed));
            await AssertSameAsync(file, Flags[seed % Flags.Length]);
        }
    }

    [Theory]
    [InlineData("-base")]
    [InlineData("-diff_base")]
    public async Task The_difference_of_two_live_profiles_is_the_same(string flag)
    {
        await using var target = await GoLeak.StartAsync(flags: ["-rate", "40", "-size", "60", "-goroutines", "20"]);
        using var folder = new TemporaryFolder();
        using var http = new HttpClient();
        var (before, after) = (folder.File("before.pb.gz"), folder.File("after.pb.gz"));
        await File.WriteAllBytesAsync(before, await http.GetByteArrayAsync(new Uri(target.Pprof, "/debug/pprof/heap?gc=1")));
        await target.Process.WaitForLineAsync("done growing");
        await File.WriteAllBytesAsync(after, await http.GetByteArrayAsync(new Uri(target.Pprof, "/debug/pprof/heap?gc=1")));

        foreach (var flags in Flags)
        {
            await AssertSameAsync(after, [.. flags, $"{flag}={before}"]);
            await AssertSameAsync(before, [.. flags, $"{flag}={after}"]);
            await AssertSameAsync(after, [.. flags, $"{flag}={after}"]);
        }
    }

    [Theory]
    [InlineData("-base", 1)]
    [InlineData("-base", 2)]
    [InlineData("-diff_base", 1)]
    [InlineData("-diff_base", 2)]
    public async Task The_difference_of_two_made_up_profiles_is_the_same(string flag, int half)
    {
        using var folder = new TemporaryFolder();
        for (var seed = Fuzz.Seed + (half * 100_000); seed < Fuzz.Seed + (half * 100_000) + Profiles; seed++)
        {
            var (file, other) = (folder.File($"{seed}.pb"), folder.File($"{seed}-base.pb"));
            await File.WriteAllBytesAsync(file, RandomProfile.Make(seed, values: 1));
            await File.WriteAllBytesAsync(other, RandomProfile.Make(seed, values: 2));
            await AssertSameAsync(file, [.. Flags[seed % Flags.Length], $"{flag}={other}"]);
        }
    }

    private static int Profiles { get; } = Fuzz.Profiles;

    private static async Task AssertSameAsync(string file, string[] flags)
    {
        var theirs = GoPprof.WithoutTime(await GoPprof.RunAsync(["-top", .. flags, file]));
        var (exitCode, output, errors) = Premortem.Run(["top", .. flags, file]);

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.True(theirs == GoPprof.WithoutTime(output), $"{file} {string.Join(' ', flags)}\npprof:\n{theirs}\npremortem:\n{output}");
    }
}
