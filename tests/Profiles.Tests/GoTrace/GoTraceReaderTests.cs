using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Profiles.GoTrace;
using Xunit;

namespace Premortem.Profiles.Tests.GoTrace;

public sealed class GoTraceReaderTests
{
    // testdata/trace.go made both, with the Go that their names say: 50 goroutines that end, two collections by hand.
    [Theory]
    [InlineData("trace-1.19.out.gz", "go 1.19")]
    [InlineData("trace-1.26.out.gz", "go 1.26")]
    public void A_trace_of_a_real_program_is_summed_up(string name, string version)
    {
        using var file = File.OpenRead(PathOf(name));
        var summary = Assert.IsType<ProfileContent.Trace>(ProfileContent.Read(file)).Summary;

        Assert.Equal(version, summary.Version);
        Assert.False(summary.IsPartial);
        Assert.InRange(summary.Goroutines, 52, 80);
        Assert.Equal(summary.Goroutines - 50, summary.GoroutinesLeft);
        Assert.InRange(summary.Collections, 2, 30);
        Assert.InRange(summary.Duration.TotalMilliseconds, 1, 2000);
        Assert.True(summary.Collecting > default(TimeSpan) && summary.Collecting < summary.Duration, $"{summary}");
        Assert.True(summary.Stopped > default(TimeSpan) && summary.Stopped < summary.Collecting, $"{summary}");
        Assert.InRange(summary.HeapPeakBytes, 100_000, 100_000_000);
    }

    [Theory]
    [InlineData("trace-1.19.out.gz")]
    [InlineData("trace-1.26.out.gz")]
    public void One_that_is_cut_anywhere_is_summed_up_as_far_as_it_goes(string name)
    {
        var whole = Unpacked(name);
        var partial = 0;
        for (var length = 16; length < whole.Length; length += 997)
            if (Read(whole.AsSpan(0, length).ToArray()) is { IsPartial: true } summary)
            {
                Assert.True(summary.Duration >= default(TimeSpan));
                partial++;
            }
        Assert.True(partial > 20, $"{partial}");
    }

    [Property(MaxTest = 300)]
    public Property Damage_is_an_error_with_its_place_or_other_figures_and_nothing_else() =>
        Prop.ForAll(
            (from name in Gen.Elements("trace-1.19.out.gz", "trace-1.26.out.gz")
             from damage in Gen.Zip(Gen.Choose(0, 20_000), Gen.Choose(0, 255)).ArrayOf(5)
             select (name, damage)).ToArbitrary(),
            sample =>
            {
                var bytes = Unpacked(sample.name)[..20_001];
                foreach (var (place, value) in sample.damage)
                    bytes[place] = (byte)value;
                Read(bytes);
            });

    [Fact]
    public void A_version_that_is_not_known_is_named()
    {
        var problem = Assert.Throws<ProfileFormatException>(() => ProfileContent.Read(new MemoryStream([.. "go 1.99 trace\0\0\0"u8, 1, 2])));

        Assert.Contains("Go 1.99", problem.Message, StringComparison.Ordinal);
    }

    private static GoTraceSummary? Read(byte[] bytes)
    {
        try
        {
            return GoTraceReader.Read(new MemoryStream(bytes));
        }
        catch (ProfileFormatException)
        {
            return null;
        }
    }

    private static byte[] Unpacked(string name) => Testing.Gzip.Unpack(File.ReadAllBytes(PathOf(name)));

    private static string PathOf(string name) => Testing.Repository.TestData(name);
}
