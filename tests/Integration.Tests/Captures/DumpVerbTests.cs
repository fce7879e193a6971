using Premortem.Testing;
using Xunit;

namespace Premortem.Integration.Tests.Captures;

/// <summary>Dumps that a real runtime wrote, read by the native <c>premortem</c>.</summary>
public sealed class DumpVerbTests
{
    private const int DamagedBytes = 64 << 10;

    [Fact]
    public async Task A_dump_says_which_types_hold_the_heap_and_what_holds_them()
    {
        using var folder = new TemporaryFolder();
        using var unpackedIn = new TemporaryFolder();
        var runtime = new DirectoryInfo(Path.GetDirectoryName(typeof(object).Assembly.Location)!);
        var installed = runtime.Parent!.Parent!.Parent!.FullName;
        var environment = new Dictionary<string, string?> { ["TMPDIR"] = unpackedIn.Path, ["DOTNET_ROOT"] = installed };
        var dump = folder.File("heap.dmp.gz");
        // As from a container: what it ran on is not where it was, but the same runtime is installed.
        using (var container = new TemporaryFolder())
        {
            foreach (var part in (string[])["host", Path.GetRelativePath(installed, runtime.FullName)])
                foreach (var file in Directory.EnumerateFiles(Path.Combine(installed, part), "*", SearchOption.AllDirectories))
                {
                    var copy = Path.Combine(container.Path, Path.GetRelativePath(installed, file));
                    Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                    File.Copy(file, copy);
                }
            await DotNetSourceTests.DumpAsync(dump, container.Path);
        }

        var top = (await PremortemProgram.RunAsync(environment, "top", dump)).AssertOk().Output;
        Assert.Contains(" Shop.Orders.OrderLine\n", top, StringComparison.Ordinal);
        var root = (await PremortemProgram.RunAsync(environment, "gcroot", "^Shop.Orders.Order$", dump)).AssertOk().Lines;
        Assert.Equal("    -> static Shop.Orders.OrderBook.s_orders", root[2]);
        var retained = (await PremortemProgram.RunAsync(environment, "top", "-retained", dump)).AssertOk().Lines;
        // Arrays that the list has grown out of wait for the next collection, and are counted with the one that it has.
        Assert.Contains(retained.Where(line => line.Contains("Shop.", StringComparison.Ordinal)).Take(2), line => line.EndsWith(" System.Collections.Generic.List<Shop.Orders.Order>", StringComparison.Ordinal));
        (await PremortemProgram.RunAsync(environment, "convert", dump, "-o", folder.File("heap.gcdump"))).AssertOk();

        var capture = CaptureInStore.Of("0196a1b2c3d4", ("heap.dmp.gz", await File.ReadAllBytesAsync(dump))).Write(folder.Path);
        (await PremortemProgram.RunAsync(environment, "report", capture)).AssertOk();
        var page = await File.ReadAllTextAsync(Path.Combine(capture, "report.html"));
        Assert.Contains("static Shop.Orders.OrderBook.s_orders", page, StringComparison.Ordinal);
        Assert.Contains("heap.dmp.gz: who holds it", page, StringComparison.Ordinal);

        // A damaged one, a part of one, and a library that knows nothing of runtimes.
        var unpacked = folder.File("heap.dmp");
        Readers.Unpack(dump, unpacked);
        await using (var file = new FileStream(unpacked, FileMode.Open))
        {
            var random = new Random(1);
            for (var i = 0; i < 64; i++)
            {
                file.Position = random.NextInt64(file.Length / 8, file.Length - DamagedBytes);
                file.Write(new byte[DamagedBytes]);
            }
        }
        var damaged = await PremortemProgram.RunAsync(environment, "top", unpacked);
        // The runtime's library is native code, and may fall over it: whatever comes of it, it is not told as whole.
        Assert.True(damaged.ExitCode != 0 || damaged.Output.Contains("(only a part was seen)", StringComparison.Ordinal), damaged.Output + damaged.Errors);
        await using (var file = new FileStream(unpacked, FileMode.Open))
            file.SetLength(file.Length / 2);
        var half = await PremortemProgram.RunAsync(environment, "top", unpacked);
        Assert.Equal(1, half.ExitCode);
        Assert.Contains("heap.dmp: it is cut off: ", half.Errors, StringComparison.Ordinal);
        var wrong = await PremortemProgram.RunAsync(environment, "top", dump, "--dac", "/bin/true");
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("heap.dmp.gz: the dump cannot be read", wrong.Errors, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(unpackedIn.Path));
    }
}
