using Premortem.Profiles.Heaps;
using Xunit;

namespace Premortem.Profiles.Tests.Heaps;

public sealed class TypeTopTests
{
    private static readonly TypeTable Heap = new()
    {
        Measure = TypeTable.LiveObjects,
        Objects = 1111,
        Bytes = 4 << 20,
        Rows = [new TypeRow("Shop.Order[]", 10, 3 << 20), new TypeRow("System.String", 1000, 1 << 20), new TypeRow("Esc\u001b[31m", 101, 0)],
        IsPartial = true,
    };

    [Fact]
    public void Types_stand_in_the_columns_of_pprof() => Assert.Equal(
        """
        Type: live objects (only a part was seen)
        Showing types accounting for 4MB, 100% of 4MB total
              flat  flat%   sum%    objects  type
               3MB 75.00% 75.00%         10  Shop.Order[]
               1MB 25.00%   100%       1000  System.String
                 0     0%   100%        101  Esc\x1b[31m

        """,
        Print(new TopOptions { NodeFraction = 0 }));

    [Fact]
    public void Types_are_ordered_by_objects_where_that_is_asked_for() => Assert.Equal(
        """
        Type: live objects (only a part was seen)
        Showing types accounting for 1000, 90.01% of 1111 total
        Showing top 1 types out of 3
              flat  flat%   sum%      bytes  type
              1000 90.01% 90.01%        1MB  System.String

        """,
        Print(new TopOptions { SampleIndex = "inuse_objects", NodeCount = 1, NodeFraction = 0 }));

    [Fact]
    public void Small_types_are_left_out_and_counted()
    {
        var text = Print(new TopOptions());

        Assert.Contains("Dropped 1 types (flat < ", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Esc", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_has_no_other_sample_types() =>
        Assert.Throws<ArgumentException>(() => Print(new TopOptions { SampleIndex = "cpu" }));

    [Fact]
    public void A_difference_has_the_same_columns_with_signs_and_shares_of_what_is_left() => Assert.Equal(
        """
        Type: live objects (only a part was seen)
        Showing types accounting for 1MB, 50.00% of 2MB total
              flat  flat%   sum%    objects  type
            1.50MB 75.00% 75.00%          4  Shop.Order[]
            -512kB 25.00% 50.00%       -500  System.String

        """,
        PrintDifference(new TopOptions()));

    [Fact]
    public void Shares_may_be_of_the_base() =>
        Assert.Contains("1.50MB 50.00% 50.00%          4  Shop.Order[]", PrintDifference(new TopOptions { SharesOfBase = true }), StringComparison.Ordinal);

    [Fact]
    public void What_counts_something_else_cannot_be_subtracted() =>
        Assert.Contains("allocations of 3s", Assert.Throws<ArgumentException>(() => TypeTop.Difference(Heap, Heap with { Measure = "allocations of 3s" }, new TopOptions())).Message, StringComparison.Ordinal);

    [Fact]
    public void No_figure_that_a_file_claims_is_too_large()
    {
        var huge = Heap with { Rows = [new TypeRow("A", long.MaxValue, long.MaxValue), new TypeRow("B", long.MinValue, long.MinValue), new TypeRow("C", long.MaxValue, long.MaxValue)] };
        using var writer = new StringWriter();
        TypeTop.Of(huge, new TopOptions()).Write(writer);
        TypeTop.Difference(huge, Heap, new TopOptions()).Write(writer);
        Assert.Contains("C", writer.ToString(), StringComparison.Ordinal);
    }

    private static string PrintDifference(TopOptions options)
    {
        var before = Heap with { Objects = 1506, Bytes = 3 << 20, IsPartial = false, Rows = [new TypeRow("Shop.Order[]", 6, 3 << 19), new TypeRow("System.String", 1500, 3 << 19)] };
        using var writer = new StringWriter();
        TypeTop.Difference(Heap with { Rows = [.. Heap.Rows.Take(2)] }, before, options).Write(writer);
        return writer.ToString();
    }

    private static string Print(TopOptions options)
    {
        using var writer = new StringWriter();
        TypeTop.Of(Heap, options).Write(writer);
        return writer.ToString();
    }
}
