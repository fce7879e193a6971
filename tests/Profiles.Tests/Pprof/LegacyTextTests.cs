using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Profiles.Pprof;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Pprof;

public sealed class LegacyTextTests
{
    private const string Heap = """
        heap profile: 2: 3072 [4: 4096] @ heap/2
        2: 2048 [3: 3072] @ 0x1001 0x2001 0x3001
        #	0x1000	main.leak+0x50		/src/main.go:41
        #	0x2000	main.main+0x718	/src/main.go:215

        1: 1024 [1: 1024] @ 0x4001
        #	0x4000	runtime.malg+0x27	/go/proc.go:4076


        # runtime.MemStats
        # Alloc = 22999176
        """;

    private const string Goroutines = """
        goroutine profile: total 8
        7 @ 0x1001 0x2001 0x3001 0x9001
        # labels: {"user":"a"}
        #	0x2000	main.wait+0x16	/src/main.go:193
        #	0x3000	main.wait+0x36	/src/main.go:203

        1 @ 0x9001

        """;

    [Fact]
    public void A_heaps_text_has_four_sample_types_and_names()
    {
        var profile = Read(Heap);

        Assert.Equal(["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"], profile.SampleTypes.Select(type => type.Type));
        Assert.Equal([("main.leak", 2048L, 2048L), ("runtime.malg", 1024, 1024), ("main.main", 0, 2048)], Rows(profile));
        Assert.Equal([("main.leak", 3072L), ("runtime.malg", 1024), ("main.main", 0)], Rows(profile, "alloc_space").Select(row => (row.Name, row.Flat)));
        Assert.Equal(
            ["main.leak /src/main.go:41", "runtime.malg /go/proc.go:4076", "main.main /src/main.go:215"],
            TopTable.Of(profile, new TopOptions { Granularity = Granularity.Lines }).Rows.Select(row => row.Name));
        Assert.Equal(["1kB"], TagTable.Of(profile).Tags.Single().Values.Select(value => value.Value));
    }

    [Fact]
    public void Sampled_values_are_scaled_to_what_they_stand_for()
    {
        var profile = Read(Heap.Replace("heap/2", "heap/1048576", StringComparison.Ordinal));

        // One of 512 blocks of 1 KiB is sampled, for a rate of one in 512 KiB.
        Assert.Equal(2 * 512 * 1024.0, Rows(profile)[0].Flat, 2 * 1024.0);
    }

    [Fact]
    public void What_go_does_not_name_is_left_out_where_something_is_named() =>
        Assert.Equal([("main.wait", 7L, 7L), ("<unknown>", 1, 1)], Rows(Read(Goroutines)));

    [Theory]
    [InlineData("heap profile: 1: 2 [3: 4] @ strange/1")]
    [InlineData("heap profile: 1: 2 [3: 4] @ heap/1\n1: x [1: 1] @ 0x1")]
    [InlineData("heap profile: 1: 2 [3: 4] @ heap/1\n0: 7 [1: 1] @ 0x1")]
    [InlineData("heap profile: 1: 2 [3: 4] @ heap/1\n1: 1 [1: 1] @ 0xzz")]
    [InlineData("goroutine profile: total 1\n1 @ 0x1g")]
    [InlineData("goroutine profile: total 1\nx @ 0x1")]
    [InlineData("goroutine profile: total 1\n1 @ 0x11111111111111111")]
    public void What_is_damaged_is_refused(string text) => Assert.Throws<ProfileFormatException>(() => Read(text));

    [Fact]
    public void A_packed_text_is_read_too() =>
        Assert.Equal(Rows(Read(Heap)), Rows(Assert.IsType<ProfileContent.Functions>(ProfileContent.Read(new MemoryStream(PprofEncoder.Gzip(Encoding.UTF8.GetBytes(Heap))))).Profile));

    [Property(MaxTest = 2000)]
    public Property A_text_with_bytes_changed_is_a_profile_or_is_refused() =>
        Prop.ForAll(
            ArbMap.Default.ArbFor<(NonNegativeInt Where, byte What)[]>(),
            changes =>
            {
                foreach (var text in new[] { Heap, Goroutines })
                {
                    var data = Encoding.UTF8.GetBytes(text);
                    foreach (var (where, what) in changes)
                        data[where.Get % data.Length] = what;
                    try
                    {
                        if (LegacyText.IsOne(data))
                            TreeTable.Of(LegacyText.Read(data)).Write(TextWriter.Null);
                    }
                    catch (ProfileFormatException)
                    {
                    }
                }
            });

    private static PprofProfile Read(string text) =>
        Assert.IsType<ProfileContent.Functions>(ProfileContent.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)))).Profile;

    private static List<(string Name, long Flat, long Cum)> Rows(PprofProfile profile, string? type = null) =>
        [.. TopTable.Of(profile, new TopOptions { SampleIndex = type }).Rows.Select(row => (row.Name, row.Flat, row.Cum))];
}
