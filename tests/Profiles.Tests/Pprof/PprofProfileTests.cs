using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Profiles.Flame;
using Premortem.Profiles.Pprof;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Pprof;

public sealed class PprofProfileTests
{
    private static readonly byte[] Valid = Everything().ToArray();

    [Fact]
    public void Every_part_of_a_profile_is_read()
    {
        var profile = Read(Everything().ToGzip());

        Assert.Equal([new SampleType("inuse_objects", "count"), new SampleType("inuse_space", "bytes")], profile.SampleTypes);
        Assert.Equal(0, profile.DefaultSampleIndex);
        Assert.Equal((3, 3, 2), (profile.FunctionCount, profile.LocationCount, profile.SampleCount));
        Assert.Equal(new ProfileMapping(0x1000, 0x9000, 0, "/usr/bin/app", "abc", true), Assert.Single(profile.Mappings));
        Assert.Equal(["a comment", "another"], profile.Comments);
        Assert.Equal(("runtime\\..*", "runtime\\.kept"), (profile.DropFrames, profile.KeepFrames));
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), profile.Time);
        Assert.Equal(1_000_000_000, profile.DurationNanos);
        Assert.Equal((new SampleType("space", "bytes"), 524288), (profile.PeriodType, profile.Period));
        Assert.Equal("https://example.org/doc", profile.DocUrl);

        var samples = profile.Samples();
        Assert.True(samples.Next());
        Assert.Equal([2L, 2048L], samples.Values.ToArray());
        Assert.Equal([0, 1], samples.Locations.ToArray());
        Assert.Equal([new SampleLabel("request", "GET /", 0, "")], samples.Labels());
        Assert.True(samples.Next());
        Assert.Equal([new SampleLabel("bytes", null, 1024, "bytes")], samples.Labels());
        Assert.False(samples.Next());

        Assert.Equal(2, profile.Locations[0].LineCount);
        Assert.Equal(7, profile.Lines[0].Line);
    }

    [Fact]
    public void Ids_need_not_be_consecutive()
    {
        var encoder = PprofEncoder.Heap();
        encoder.Message(5, PprofEncoder.Number(1, -1), PprofEncoder.Number(2, encoder.Text("main.f")));
        encoder.Message(4, PprofEncoder.Number(1, 1L << 40), PprofEncoder.Field(4, PprofEncoder.Number(1, -1)));
        encoder.Sample([1UL << 40], 1, 1024);

        Assert.Equal("main.f", Assert.Single(TopTable.Of(Read(encoder.ToArray())).Rows).Name);
    }

    public static TheoryData<string, byte[], string> Broken()
    {
        var unending = new byte[12];
        Array.Fill(unending, (byte)0xFF);
        return new TheoryData<string, byte[], string>
        {
            { "empty", [], "empty" },
            { "a page of HTML", "<html><body>404</body></html>"u8.ToArray(), "wire type" },
            { "the text form", "heap profile: 1: 2 [3: 4] @ heap/1048576\n"u8.ToArray(), "debug" },
            { "the text form of goroutines", "goroutine profile: total 7\n"u8.ToArray(), "debug" },
            { "a nettrace", "Nettrace\x14\0\0\0!FastSerialization.1"u8.ToArray(), "nettrace" },
            { "a number without end", unending, "ten bytes" },
            { "a length past the end", [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], "claims 4294967295 bytes" },
            { "field 0", [0, 0], "number 0" },
            { "a group", [0x0B], "wire type 3" },
            { "no sample types", new PprofEncoder().ToArray(), "no sample types" },
            { "no string table", [0x0A, 0x00], "no string table" },
            { "a first string", [.. PprofEncoder.Field(6, [65]), .. PprofEncoder.Heap().ToArray()], "not empty" },
            { "too few values", PprofEncoder.Heap().Sample([], 1).ToArray(), "1 values where there are 2" },
            { "too many values", PprofEncoder.Heap().Sample([], 1, 2, 3).ToArray(), "more values than the 2" },
            { "a location that is not there", PprofEncoder.Heap().Sample([9], 1, 2).ToArray(), "location 9" },
            { "a function that is not there", With(e => e.Location(9)), "function 9" },
            { "a string that is not there", With(e => e.NumberField(7, 99)), "string 99 of a table of" },
            { "a negative string", With(e => e.NumberField(14, -1)), "string 18446744073709551615" },
            { "two functions of one id", With(e => e.Message(5, PprofEncoder.Number(1, 3)).Message(5, PprofEncoder.Number(1, 3))), "id 3" },
            { "a function of id 0", With(e => e.Message(5, PprofEncoder.Number(2, 0))), "reserved id 0" },
            { "two profiles", With(e => e.NumberField(9, 1).NumberField(9, 2)), "second profile" },
            { "a number as a message", With(e => e.NumberField(2, 1)), "wire type 0" },
            { "a text as a number", With(e => e.Message(12, [1])), "no number" },
            { "ten thousand comments", With(e => e.Message(13, new byte[10_000])), "comments" },
            { "a thousand sample types", With(e => e.Raw([.. Enumerable.Repeat(PprofEncoder.Field(1, []), 1000).SelectMany(b => b)])), "sample types" },
        };

        static byte[] With(Action<PprofEncoder> spoil)
        {
            var encoder = PprofEncoder.Heap();
            spoil(encoder);
            return encoder.ToArray();
        }
    }

    [Theory]
    [MemberData(nameof(Broken))]
    public void A_broken_profile_is_refused_with_the_reason_and_the_place(string what, byte[] data, string reason)
    {
        var refusal = Assert.Throws<ProfileFormatException>(() => Read(data));

        Assert.True(refusal.Message.Contains(reason, StringComparison.Ordinal), $"{what}: {refusal.Message}");
        Assert.Contains($"at byte {refusal.Offset} ", refusal.Message, StringComparison.Ordinal);
        Assert.InRange(refusal.Offset, 0, data.Length);
    }

    [Fact]
    public void A_small_file_that_asks_for_days_of_work_is_refused()
    {
        var encoder = PprofEncoder.Heap();
        var function = encoder.Function("f");
        var location = encoder.Location([.. Enumerable.Repeat(function, 50_000)]);
        encoder.Sample([.. Enumerable.Repeat(location, 50_000)], 1, 1);

        Assert.Contains("frames", Assert.Throws<ProfileFormatException>(() => Read(encoder.ToArray())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ids_chosen_to_collide_take_no_longer_than_others()
    {
        using var bytes = new MemoryStream();
        bytes.Write(PprofEncoder.Heap().ToArray());
        for (var id = 1L << 20; id < (1L << 20) + 200_000; id++)
            bytes.Write(PprofEncoder.Field(5, PprofEncoder.Number(1, (id << 32) | id)));
        var clock = Stopwatch.StartNew();

        Assert.Equal(200_000, Read(bytes.ToArray()).FunctionCount);

        // With a plain dictionary of numbers it is a minute.
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 10);
    }

    [Fact]
    public void A_gzip_bomb_is_refused_at_the_limit()
    {
        var bomb = PprofEncoder.Gzip(new byte[64 << 20]);
        var before = GC.GetAllocatedBytesForCurrentThread();

        var refusal = Assert.Throws<ProfileFormatException>(() => PprofProfile.Read(new MemoryStream(bomb), maxBytes: 1 << 20));

        Assert.Contains("larger than the 1048576 bytes allowed once decompressed", refusal.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 << 20);
    }

    [Fact]
    public void A_profile_of_just_the_size_allowed_is_taken() =>
        Assert.Equal(2, PprofProfile.Read(new MemoryStream(Valid), maxBytes: Valid.Length).SampleCount);

    [Fact]
    public void A_profile_one_byte_larger_than_allowed_is_refused() =>
        Assert.Throws<ProfileFormatException>(() => PprofProfile.Read(new MemoryStream(Valid), maxBytes: Valid.Length - 1));

    [Fact]
    public void A_gzip_file_of_several_members_is_one_profile()
    {
        byte[] members = [.. PprofEncoder.Gzip(Valid[..100]), .. PprofEncoder.Gzip(Valid[100..])];

        Assert.Equal(2, Read(members).SampleCount);
    }

    [Fact]
    public void A_gzip_cut_off_anywhere_is_refused()
    {
        var whole = Everything().ToGzip();

        for (var length = 0; length < whole.Length; length++)
        {
            Assert.Throws<ProfileFormatException>(() => Read(whole[..length]));
            Assert.Throws<ProfileFormatException>(() => PprofProfile.Read(new OneByteStream(whole[..length])));
        }
        Assert.Equal(2, PprofProfile.Read(new OneByteStream(whole)).SampleCount);
    }

    [Fact]
    public void A_recorded_profile_cut_off_anywhere_is_refused()
    {
        var whole = File.ReadAllBytes(Repository.Path("tests", "Profiles.Tests", "testdata", "heap.pb.gz"));

        for (var length = 0; length < whole.Length; length++)
            Assert.Throws<ProfileFormatException>(() => Read(whole[..length]));
    }

    [Fact]
    public void Something_behind_the_gzip_is_refused() =>
        Assert.Throws<ProfileFormatException>(() => Read([.. Everything().ToGzip(), 0, 0, 0, 0]));

    [Fact]
    public void A_raw_profile_cut_off_within_a_field_is_refused()
    {
        // Where a cut falls between two fields, what is left can be a profile: protobuf does not tell. The encoder writes the string
        // table last, so that here no cut leaves the strings that are needed, save for the last ones, which are comments.
        var refused = 0;
        for (var length = 0; length < Valid.Length; length++)
            if (!IsProfile(Valid[..length]))
                refused++;

        Assert.Equal(Valid.Length, refused);
    }

    [Property(MaxTest = 2000)]
    public void Random_bytes_are_a_profile_or_are_refused(byte[] data) => IsProfile(data);

    [Property(MaxTest = 3000)]
    public Property A_profile_with_bytes_changed_is_a_profile_or_is_refused() =>
        Prop.ForAll(
            ArbMap.Default.ArbFor<(NonNegativeInt Where, byte What)[]>(),
            changes =>
            {
                var data = Valid.ToArray();
                foreach (var (where, what) in changes)
                    data[where.Get % data.Length] = what;
                IsProfile(data);
            });

    [Property(MaxTest = 300)]
    public void A_gzip_with_bytes_changed_is_a_profile_or_is_refused(NonNegativeInt where, byte what)
    {
        var data = Everything().ToGzip();
        data[where.Get % data.Length] = what;
        IsProfile(data);
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData("", 0)]
    [InlineData("inuse_space", 1)]
    [InlineData("inuse_objects", 0)]
    [InlineData("1", 1)]
    public void A_sample_type_is_found_by_name_and_by_number(string? name, int index) => Assert.Equal(index, Read(Valid).SampleIndex(name));

    [Theory]
    [InlineData("alloc_space")]
    [InlineData("2")]
    [InlineData("-1")]
    public void A_sample_type_that_is_not_there_is_refused(string name) => Assert.Throws<ArgumentException>(() => Read(Valid).SampleIndex(name));

    [Fact]
    public void Old_heap_profiles_answer_to_the_newer_names() =>
        Assert.Equal(0, Read(new PprofEncoder().SampleType("space", "bytes").ToArray()).SampleIndex("inuse_space"));

    private static PprofEncoder Everything()
    {
        var encoder = PprofEncoder.Heap();
        var mapping = encoder.Mapping("/usr/bin/app", "abc");
        var (inlined, caller, main) = (encoder.Function("main.inlined", "main.go", 3), encoder.Function("main.caller"), encoder.Function("main.main"));
        var inner = encoder.LocationIn(mapping, inlined, caller);
        var outer = encoder.LocationIn(mapping, main);
        encoder.LocationIn(mapping);
        encoder.Sample([inner, outer], [2, 2048], ("request", "GET /"));
        encoder.NumberLabel([outer], [1, 1024], "bytes", 1024, "bytes");
        encoder.TextField(7, "runtime\\..*").TextField(8, "runtime\\.kept");
        encoder.NumberField(9, 1767323045_000000000).NumberField(10, 1_000_000_000);
        encoder.Message(11, PprofEncoder.Number(1, encoder.Text("space")), PprofEncoder.Number(2, encoder.Text("bytes"))).NumberField(12, 524288);
        encoder.TextField(14, "inuse_objects").TextField(15, "https://example.org/doc");
        return encoder.TextField(13, "a comment").Message(13, PprofEncoder.Varint((ulong)encoder.Text("another")));
    }

    private static PprofProfile Read(byte[] data) => PprofProfile.Read(new MemoryStream(data));

    private static readonly StackFilters[] Everywhere =
    [
        StackFilters.None,
        new() { Focus = "main", Hide = "inlined", TagFocus = "1b:" },
        new() { Show = "main|app", ShowFrom = "caller", TagShow = "request" },
        new() { PruneFrom = "caller", Ignore = "nothing", TagIgnore = "request=POST" },
    ];

    /// <summary>Throws what is not a refusal. What is a profile has to make a table, too.</summary>
    private static bool IsProfile(byte[] data)
    {
        try
        {
            var profile = PprofProfile.Read(new MemoryStream(data), maxBytes: 1 << 24);
            var options = new TopOptions { Granularity = (Granularity)(data.Length % 5), Filters = Everywhere[data.Length % Everywhere.Length], Base = data.Length % 2 == 0 ? profile : null };
            TopTable.Of(profile).Write(TextWriter.Null);
            TreeTable.Of(profile, options).Write(TextWriter.Null);
            TraceList.Write(profile, TextWriter.Null, options);
            TagTable.Of(profile, options).Write(TextWriter.Null);
            FlameGraph.Of(profile, options).WriteSvg(TextWriter.Null);
            TopTable.Of(ProfileMerge.Of([profile, profile])).Write(TextWriter.Null);
            return true;
        }
        catch (ProfileFormatException)
        {
            return false;
        }
    }

    /// <summary>A stream as slow sockets make them.</summary>
    private sealed class OneByteStream(byte[] data) : MemoryStream(data)
    {
        public override bool CanSeek => false;

        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 1));

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 1)]);
    }
}
