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

    private static string Print(TopOptions options)
    {
        using var writer = new StringWriter();
        TypeTop.Of(Heap, options).Write(writer);
        return writer.ToString();
    }
}
