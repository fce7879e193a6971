using Premortem.Testing;
using Xunit;

namespace Premortem.Cli.Tests;

public sealed class CommandTreeTests
{
    private static readonly string Heap = Repository.Path("tests", "Profiles.Tests", "testdata", "heap.pb.gz");

    [Theory]
    [InlineData("-cum", "-nodecount=2", "-sample_index=alloc_space", "-nodefraction=0.1")]
    [InlineData("--cum", "--nodecount=2", "--sample-index=alloc_space", "--nodefraction=0.1")]
    [InlineData("-cum=true", "-nodecount", "2", "-sample_index", "alloc_space", "-nodefraction", "0.1")]
    [InlineData("--cum", "-nodecount", "2", "--sample_index", "alloc_space", "--nodefraction", "0.1")]
    public void Flags_are_taken_in_the_way_of_go_and_of_gnu(params string[] flags)
    {
        var (exitCode, output, errors) = Premortem.Run(["top", .. flags, Heap]);

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Equal(Premortem.Run("top", "-cum", "-nodecount=2", "-sample_index=alloc_space", "-nodefraction=0.1", Heap).Output, output);
        Assert.Contains("Type: alloc_space\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_may_come_before_the_flags() =>
        Assert.Equal(Premortem.Run("top", "-cum", Heap).Output, Premortem.Run("top", Heap, "-cum").Output);

    [Theory]
    [InlineData]
    [InlineData("no-such-verb")]
    [InlineData("top")]
    [InlineData("top", "-no_such_flag", "file")]
    [InlineData("top", "-no_such_flag")]
    [InlineData("top", "a", "b")]
    [InlineData("top", "-nodecount=many", "file")]
    [InlineData("top", "-nodefraction=7", "file")]
    public void What_is_not_understood_ends_with_2_and_says_so(params string[] args)
    {
        var (exitCode, output, errors) = Premortem.Run(args);

        Assert.Equal((2, ""), (exitCode, output));
        Assert.StartsWith("premortem: ", errors, StringComparison.Ordinal);
        Assert.Contains("premortem --help", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_heap_of_dotnet_is_printed_by_type()
    {
        using var folder = new TemporaryFolder();
        var encoder = NettraceEncoder.Start();
        encoder.Event(1, NettraceEncoder.GCStart(1)).Event(15, NettraceEncoder.BulkTypes((1, "Shop.Order"))).Event(18, encoder.BulkNodes(0, (1, 48)));
        var file = folder.File("no-name-that-says-it");
        File.WriteAllBytes(file, PprofEncoder.Gzip(encoder.Event(2, NettraceEncoder.GCEnd(1)).ToArray()));
        var (exitCode, output, errors) = Premortem.Run("top", file);

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Contains("       48B   100%   100%          1  Shop.Order\n", output, StringComparison.Ordinal);
        Assert.Equal(2, Premortem.Run("top", "-sample_index=cpu", file).ExitCode);
    }

    [Fact]
    public void A_sample_type_that_is_not_there_ends_with_2_and_names_those_that_are()
    {
        var (exitCode, _, errors) = Premortem.Run("top", "-sample_index=cpu", Heap);

        Assert.Equal(2, exitCode);
        Assert.Contains("alloc_objects, alloc_space, inuse_objects, inuse_space", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_there_ends_with_1_and_is_named()
    {
        var (exitCode, _, errors) = Premortem.Run("top", "no/such.pb.gz");

        Assert.Equal(1, exitCode);
        Assert.StartsWith("premortem: no/such.pb.gz: ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_ends_with_1() => Assert.Equal(1, Premortem.Run("top", Path.GetTempPath()).ExitCode);

    [Fact]
    public void A_damaged_file_ends_with_1_and_the_place_of_the_damage()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("cut.pb.gz");
        File.WriteAllBytes(file, File.ReadAllBytes(Heap)[..500]);

        var (exitCode, output, errors) = Premortem.Run("top", file);

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Equal($"premortem: {file}: the gzip data is cut off, or something follows it (at byte 500 of the file)\n", errors);
    }
}
