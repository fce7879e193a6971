using FsCheck.Xunit;
using Xunit;

namespace Premortem.Contracts.Tests;

public sealed class ObjectPathTests
{
    private static readonly DateTimeOffset s_at = new(2026, 3, 1, 14, 5, 9, TimeSpan.FromHours(2));

    [Fact]
    public void A_folder_tells_whose_it_is_and_when_in_UTC() => Assert.Equal(
        "shop/checkout/checkout-7d9f/app/20260301T120509Z-oom-ahead-0a1b2c/",
        ObjectPath.Folder("shop", "checkout", "checkout-7d9f", "app", s_at, "oom-ahead", "0a1b2c"));

    [Theory]
    [InlineData("..", "unnamed")]
    [InlineData(".", "unnamed")]
    [InlineData("", "unnamed")]
    [InlineData("---", "unnamed")]
    [InlineData("-.-", "unnamed")]
    [InlineData("../../etc/passwd", "..-..-etc-passwd")]
    [InlineData("a/b\\c", "a-b-c")]
    [InlineData("a b\tc\n", "a-b-c-")]
    [InlineData("a\0b", "a-b")]
    [InlineData("a?b#c&d%2F", "a-b-c-d-2F")]
    [InlineData("kworker/0:1", "kworker-0-1")]
    [InlineData("café", "caf-")]
    [InlineData("😀x", "--x")]
    [InlineData("my_app.v2", "my_app.v2")]
    public void A_hostile_name_becomes_a_harmless_part(string name, string segment) => Assert.Equal(segment, ObjectPath.Segment(name));

    [Property(MaxTest = 1000)]
    public bool No_name_breaks_out_of_its_part(string? name)
    {
        var segment = ObjectPath.Segment(name ?? "");
        return segment.Length is > 0 and <= 63
            && segment.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_')
            && segment.Trim('.').Length > 0
            && ObjectPath.Segment(segment) == segment;
    }

    [Property]
    public bool A_folder_has_five_parts_whatever_the_names(string? a, string? b, string? c, string? d, string? e) =>
        ObjectPath.Folder(a ?? "", b ?? "", c ?? "", d ?? "", s_at, e ?? "", "id").Split('/') is [.., ""] and { Length: 6 };

    [Theory]
    [InlineData("", "a/b", "a/b")]
    [InlineData("/", "a/b", "a/b")]
    [InlineData("prod", "a/b", "prod/a/b")]
    [InlineData("/prod/eu/", "a/b", "prod/eu/a/b")]
    public void A_prefix_is_joined_by_one_slash(string prefix, string key, string joined) => Assert.Equal(joined, ObjectPath.Join(prefix, key));
}
