using Premortem.Profiles.Heaps;
using Premortem.Profiles.Nettrace;
using Premortem.Testing;
using Xunit;

namespace Premortem.Profiles.Tests.Heaps;

public sealed class AllocationTableTests
{
    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void A_sample_stands_for_as_many_objects_as_it_is_unlikely(int pointerSize)
    {
        var encoder = NettraceEncoder.Start(pointerSize: pointerSize);
        encoder.Event(303, encoder.AllocationSampled(1, "Small", 48)).Event(303, encoder.AllocationSampled(2, "Large", 10_000_000));
        var rows = Read(encoder).Rows.ToDictionary(row => row.Name);

        // 102400 bytes lie between two samples on average: one of 48 bytes is hit once in 2134 times, one of 10 MB each time.
        Assert.InRange(rows["Small"].Objects, 2130, 2138);
        Assert.InRange(rows["Small"].Bytes, 102_300, 102_500);
        Assert.Equal(new TypeRow("Large", 1, 10_000_000), rows["Large"]);
    }

    [Fact]
    public void Ticks_stand_for_what_was_allocated_since_the_last()
    {
        var encoder = NettraceEncoder.Start();
        encoder
            .Event(10, encoder.AllocationTick(1, "Small", 102_400, 40), version: 4)
            .Event(10, encoder.AllocationTick(2, "Old", 200_000), version: 3);

        Assert.Equal([new TypeRow("Old", 1, 200_000), new TypeRow("Small", 2560, 102_400)], Read(encoder).Rows);
    }

    [Fact]
    public void Where_there_are_samples_ticks_do_not_count()
    {
        var encoder = NettraceEncoder.Start();
        encoder.Event(10, encoder.AllocationTick(1, "Tick", 102_400, 40)).Event(303, encoder.AllocationSampled(2, "Sample", 1 << 30));

        Assert.Equal("Sample", Assert.Single(Read(encoder).Rows).Name);
    }

    [Fact]
    public void A_sample_cut_short_counts_for_nothing()
    {
        var encoder = NettraceEncoder.Start();
        encoder.Event(303, encoder.AllocationSampled(1, "Cut", 48)[..^20]);

        Assert.Empty(Read(encoder).Rows);
    }

    private static TypeTable Read(NettraceEncoder encoder)
    {
        var table = new AllocationTable();
        new NettraceReader(table.OnEvent).Feed(encoder.ToArray());
        return table.ToTable("allocations", isPartial: false);
    }
}
