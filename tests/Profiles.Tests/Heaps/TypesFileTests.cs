using System.Text;
using Premortem.Profiles.Heaps;
using Xunit;

namespace Premortem.Profiles.Tests.Heaps;

public sealed class TypesFileTests
{
    [Fact]
    public void A_table_is_read_as_it_was_written()
    {
        var table = Table(3) with { IsPartial = true };
        var read = Read(Write(table));

        Assert.Equal(table.Rows, read.Rows);
        Assert.Equal((table.Measure, table.Objects, table.Bytes, true), (read.Measure, read.Objects, read.Bytes, read.IsPartial));
    }

    [Fact]
    public void Types_beyond_the_first_thousand_are_one_sum()
    {
        var table = Table(1500);
        var text = Write(table);

        Assert.Equal(TypeTable.MaxRows, Read(text).Rows.Count);
        Assert.Equal(table.Bytes, Read(text).Bytes);
        Assert.Contains("\"rest\": {\n    \"objects\": 500,\n    \"bytes\": 125250\n  }", text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"rest\"", Write(Table(1000)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"schema\":\"premortem.dev/manifest/v1\",\"measure\":\"live objects\",\"objects\":1,\"bytes\":1,\"types\":[]}")]
    [InlineData("{\"schema\":\"premortem.dev/types/v1\",\"measure\":\"live objects\",\"objects\":1,\"bytes\":1,\"types\":[{\"name\":null}]}")]
    [InlineData("{\"schema\":\"premortem.dev/types/v1\",\"measure\":\"li")]
    [InlineData("[]")]
    [InlineData("")]
    public void What_is_no_type_table_is_refused(string text) => Assert.Throws<ProfileFormatException>(() => Read(text));

    private static TypeTable Table(int types)
    {
        List<TypeRow> rows = [.. Enumerable.Range(1, types).Select(i => new TypeRow($"Shop.Type{i}", 1, i)).OrderByDescending(row => row.Bytes)];
        return new TypeTable { Measure = TypeTable.LiveObjects, Objects = types, Bytes = rows.Sum(row => row.Bytes), Rows = rows };
    }

    private static string Write(TypeTable table)
    {
        using var stream = new MemoryStream();
        TypesFile.Write(stream, table);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static TypeTable Read(string text) => TypesFile.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)));
}
