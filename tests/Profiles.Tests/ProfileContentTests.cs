using System.IO.Pipelines;
using Premortem.Profiles.Heaps;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests;

public sealed class ProfileContentTests
{
    public static TheoryData<string, bool, bool> Contents()
    {
        var contents = new TheoryData<string, bool, bool>();
        foreach (var kind in (string[])["pprof", "heap", "allocations", "types"])
            foreach (var isGzip in (bool[])[false, true])
                foreach (var canSeek in (bool[])[false, true])
                    contents.Add(kind, isGzip, canSeek);
        return contents;
    }

    [Theory]
    [MemberData(nameof(Contents))]
    public void A_file_is_known_by_its_content(string kind, bool isGzip, bool canSeek)
    {
        var content = Of(kind);
        using var stream = new MemoryStream(isGzip ? PprofEncoder.Gzip(content) : content);
        var read = ProfileContent.Read(canSeek ? stream : PipeReader.Create(stream).AsStream());

        var name = read switch
        {
            ProfileContent.Functions functions => functions.Profile.SampleTypes[0].Type,
            ProfileContent.Types types => $"{types.Table.Rows[0]} of {types.Table.Measure}, partial: {types.Table.IsPartial}",
            _ => "nothing",
        };
        Assert.Equal(
            kind switch
            {
                "pprof" => "inuse_objects",
                "heap" => "TypeRow { Name = Shop.Order, Objects = 1, Bytes = 48 } of live objects, partial: False",
                "allocations" => "TypeRow { Name = Shop.Order, Objects = 1, Bytes = 10000000 } of allocations of 5s, partial: False",
                _ => "TypeRow { Name = Shop.Order, Objects = 2, Bytes = 96 } of live objects, partial: False",
            },
            name);
    }

    [Fact]
    public void A_heap_that_was_cut_off_is_a_part_of_one()
    {
        var gzip = PprofEncoder.Gzip(Of("heap"));
        var table = Assert.IsType<ProfileContent.Types>(ProfileContent.Read(new MemoryStream(Of("heap")[..^5]))).Table;

        Assert.True(table.IsPartial);
        Assert.Equal(1, table.Objects);
        Assert.Throws<ProfileFormatException>(() => ProfileContent.Read(new MemoryStream([.. gzip.AsSpan(0, 40), .. gzip.AsSpan(60)])));
    }

    [Fact]
    public void A_trace_with_no_heap_no_samples_and_no_allocations_is_refused()
    {
        var exception = Assert.Throws<ProfileFormatException>(() => ProfileContent.Read(new MemoryStream(NettraceEncoder.Start().Event(9, []).ToArray())));

        Assert.Contains("no heap, no CPU samples and no allocations", exception.Message, StringComparison.Ordinal);
    }

    private static byte[] Of(string kind)
    {
        var encoder = NettraceEncoder.Start();
        switch (kind)
        {
            case "pprof":
                return PprofEncoder.Heap().ToArray();
            case "heap":
                return encoder
                    .Event(1, NettraceEncoder.GCStart(1)).Event(15, NettraceEncoder.BulkTypes((1, "Shop.Order")))
                    .Event(18, encoder.BulkNodes(0, (1, 48))).Event(2, NettraceEncoder.GCEnd(1)).ToArray();
            case "allocations":
                return encoder.Event(303, encoder.AllocationSampled(1, "Shop.Order", 10_000_000), at: 5_001_000).ToArray();
            default:
                using (var stream = new MemoryStream())
                {
                    TypesFile.Write(stream, new TypeTable { Measure = TypeTable.LiveObjects, Objects = 2, Bytes = 96, Rows = [new TypeRow("Shop.Order", 2, 96)] });
                    return stream.ToArray();
                }
        }
    }
}
