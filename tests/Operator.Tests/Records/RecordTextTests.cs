using System.Text.RegularExpressions;
using Premortem.Operator.Records;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed partial class RecordTextTests
{
    [Theory]
    [InlineData("main.Leak", "main.Leak")]
    [InlineData("a\u001b[31mred\u0007", "a [31mred")]
    [InlineData("line\nnext", "line next")]
    [InlineData("\u202Eevil", "?evil")]
    [InlineData("   ", null)]
    [InlineData(null, null)]
    public void A_sentence_loses_what_steers_a_terminal(string? text, string? clean) => Assert.Equal(clean, RecordText.Clean(text, 100));

    [Fact]
    public void A_long_sentence_is_cut_and_says_so()
    {
        var clean = RecordText.Clean(new string('x', 5000), 100);
        Assert.Equal(100, clean!.Length);
        Assert.EndsWith("…", clean, StringComparison.Ordinal);
    }

    [Fact]
    public void A_lone_surrogate_does_not_get_through() => Assert.Equal("a\uFFFDb", RecordText.Clean("a\uD800b", 100));

    [Theory]
    [InlineData("checkout")]
    [InlineData("a.b_c-d")]
    [InlineData("0196a1b2c3d4")]
    public void What_is_a_label_stays_as_it_is(string name) => Assert.Equal(name, RecordText.Label(name));

    [Theory]
    [InlineData("near limit")]
    [InlineData("-x-")]
    [InlineData("")]
    [InlineData("日本")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public void Any_other_becomes_one_that_differs_from_its_like(string name)
    {
        var label = RecordText.Label(name);
        Assert.Matches(LabelValue(), label);
        Assert.NotEqual(label, RecordText.Label(name + "!"));
    }

    [Fact]
    public void Names_of_objects_are_short_enough_and_keep_what_makes_them_unique()
    {
        Assert.Equal("checkout-7d9f-x2x-0196a1b2c3d4", RecordText.ObjectName("checkout-7d9f-x2x", "0196a1b2c3d4"));
        // A cut in front of a dash or a dot leaves neither.
        var name = RecordText.ObjectName(new string('a', 238) + "-.bbbbbbbbbbbb", "0196a1b2c3d4");
        Assert.Matches(DnsSubdomain(), name);
        Assert.InRange(name.Length, 1, 253);
        Assert.EndsWith("a-0196a1b2c3d4", name, StringComparison.Ordinal);
        Assert.Equal("id", RecordText.ObjectName("...", "id"));
    }

    [GeneratedRegex(@"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\z")]
    private static partial Regex LabelValue();

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z")]
    private static partial Regex DnsSubdomain();
}
