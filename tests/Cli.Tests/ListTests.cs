using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

/// <summary><c>premortem list</c> against <c>go tool pprof -list</c>.</summary>
public sealed class ListTests : IDisposable
{
    private static readonly string Sources = Repository.Path("tests", "Targets", "go-leak");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("heap")]
    [InlineData("goroutine")]
    [InlineData("profile?seconds=1")]
    public async Task A_live_profile_has_the_same_lines(string endpoint)
    {
        await using var target = await GoLeak.StartAsync(flags: ["-rate", "400", "-size", "60", "-mode", "stacks", "-depth", "8", "-goroutines", "20"]);
        using var http = new HttpClient();
        if (endpoint == "heap")
            await target.Process.WaitForLineAsync("done growing");
        var file = _folder.File("profile.pb.gz");
        await File.WriteAllBytesAsync(file, await http.GetByteArrayAsync(new Uri(target.Pprof, $"/debug/pprof/{endpoint}")));
        foreach (var flags in new string[][] { [], ["-unit=kb"], [$"-source_path={Sources}"], ["-noinlines"] })
        {
            var (exitCode, output, errors) = Premortem.Run(["list", "main|runtime|net", file, .. flags]);

            Assert.Equal((0, ""), (exitCode, errors));
            Assert.Equal(await GoPprof.RunAsync(["-list=main|runtime|net", .. flags, file]), WithoutOurs(output));
            Assert.Contains("ROUTINE", output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Without_the_source_there_are_the_lines_totals()
    {
        var encoder = PprofEncoder.Heap();
        var location = encoder.LocationOf(0, 0x1000, (encoder.Function("main.grow", "/build/app/main.go", 3), 12));
        File.WriteAllBytes(_folder.File("heap.pb.gz"), encoder.Sample([location], 1, 2 << 20).ToGzip());

        var (exitCode, output, _) = Premortem.Run("list", "grow", _folder.File("heap.pb.gz"));

        Assert.Equal(0, exitCode);
        Assert.EndsWith(" Error: open /build/app/main.go: no such file or directory\n       2MB        2MB     12:\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_source_is_found_in_a_checkout_elsewhere()
    {
        var encoder = PprofEncoder.Heap();
        var location = encoder.LocationOf(0, 0x1000, (encoder.Function("main.grow", "/build/app/main.go", 1), 2));
        File.WriteAllBytes(_folder.File("heap.pb.gz"), encoder.Sample([location], 1, 2 << 20).ToGzip());
        Directory.CreateDirectory(_folder.File("app"));
        File.WriteAllText(_folder.File("app/main.go"), "func grow() {\n\tkeep()\u001b[2J\n}\n");

        foreach (var flags in new string[][] { [$"-source_path={_folder.File("app")}"], [$"-source_path={_folder.Path}", "-trim_path=/build"] })
            Assert.Contains("       2MB        2MB      2:\tkeep()\\x1b[2J\n", Premortem.Run(["list", "grow", _folder.File("heap.pb.gz"), .. flags]).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_function_that_is_not_there_is_told()
    {
        File.WriteAllBytes(_folder.File("heap.pb.gz"), PprofEncoder.Heap().ToGzip());

        Assert.Equal(1, Premortem.Run("list", "grow", _folder.File("heap.pb.gz")).ExitCode);
        Assert.Equal(2, Premortem.Run("list", "(", _folder.File("heap.pb.gz")).ExitCode);
    }

    // What we tell of functions without source, pprof does not.
    private static string WithoutOurs(string output)
    {
        var (kept, isOurs) = (new List<string>(), false);
        foreach (var line in output.Split('\n'))
        {
            isOurs = isOurs ? line.EndsWith(':') && !line.StartsWith("ROUTINE", StringComparison.Ordinal) : false;
            if (!isOurs)
                kept.Add(line);
            isOurs |= line.StartsWith(" Error: ", StringComparison.Ordinal);
        }
        return string.Join('\n', kept);
    }
}
