using Premortem.Profiles.Heaps;
using Xunit;

namespace Premortem.Profiles.Tests.Heaps;

public sealed class TypeDifferenceTests
{
    [Fact]
    public void The_largest_growth_is_first_and_what_shrank_is_last()
    {
        var before = Table(new("Order", 10, 1000), new("String", 50, 5000), new("Gone", 1, 10), new("Same", 2, 20));
        var after = Table(new("String", 20, 2000), new("Order", 90, 9000), new("Same", 2, 20), new("New", 3, 30));
        Assert.Equal(
            [new("Order", 80, 8000), new("New", 3, 30), new("Gone", -1, -10), new("String", -30, -3000)],
            after.Since(before));
    }

    [Fact]
    public void Types_of_one_name_are_one() =>
        Assert.Equal([new("A", 3, 30)], Table(new("A", 2, 20), new("A", 2, 20)).Since(Table(new TypeRow("A", 1, 10))));

    [Fact]
    public void What_was_counted_in_another_way_is_not_compared()
    {
        var table = Table(new TypeRow("A", 1, 10));
        Assert.Empty(table.Since(Table() with { Measure = "allocations of 3 s" }));
        Assert.Empty(table.Since(Table() with { IsPartial = true }));
        Assert.NotEmpty(table.Since(Table()));
    }

    [Fact]
    public void Of_a_heap_that_was_seen_in_part_only_growth_is_certain()
    {
        var before = Table(new("Order", 10, 1000), new TypeRow("String", 50, 5000));
        var part = Table(new("Order", 90, 9000), new TypeRow("String", 20, 2000)) with { IsPartial = true };
        Assert.Equal([new TypeDifference("Order", 80, 8000)], part.Since(before));
    }

    private static TypeTable Table(params TypeRow[] rows) => new() { Measure = "live objects", Objects = 0, Bytes = 0, Rows = rows };
}
