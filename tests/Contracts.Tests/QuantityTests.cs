using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Xunit;

namespace Premortem.Contracts.Tests;

public sealed class QuantityTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("134217728", 134217728)]
    [InlineData("128Mi", 134217728)]
    [InlineData("1.5Gi", 1610612736)]
    [InlineData(".5Ki", 512)]
    [InlineData("5.", 5)]
    [InlineData("+1k", 1000)]
    [InlineData("1M", 1_000_000)]
    [InlineData("1e9", 1_000_000_000)]
    [InlineData("1E9", 1_000_000_000)]
    [InlineData("1E", 1_000_000_000_000_000_000)]
    [InlineData("2Ei", 2L << 60)]
    [InlineData("1.5e3", 1500)]
    [InlineData("5e-1", 1)]
    [InlineData("100m", 1)]
    [InlineData("1500m", 2)]
    [InlineData("2000000u", 2)]
    [InlineData("1n", 1)]
    [InlineData("0.1", 1)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void What_Kubernetes_takes_is_read_as_it_reads_it(string text, long bytes)
    {
        Assert.True(Quantity.TryParse(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("1 Mi")]
    [InlineData(" 1Mi")]
    [InlineData("1Mi ")]
    [InlineData("-1")]
    [InlineData("-1Mi")]
    [InlineData("Mi")]
    [InlineData(".")]
    [InlineData("1mi")]
    [InlineData("1MI")]
    [InlineData("1MiB")]
    [InlineData("1K")]
    [InlineData("1g")]
    [InlineData("1e3Mi")]
    [InlineData("1e3m")]
    [InlineData("1e3E")]
    [InlineData("1e")]
    [InlineData("0x10")]
    [InlineData("1_000")]
    [InlineData("1,000")]
    [InlineData("1.2.3")]
    [InlineData("1\0")]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("٣")]
    [InlineData("9223372036854775808")]
    [InlineData("8Ei")]
    [InlineData("10E")]
    [InlineData("1e40")]
    [InlineData("79228162514264337593543950335Ki")]
    [InlineData("00000000000000000000000000000000000000000000000000000000000000001")]
    public void What_Kubernetes_refuses_is_refused(string text) => Assert.False(Quantity.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(1000, "1000")]
    [InlineData(1024, "1Ki")]
    [InlineData(1536 * 1024, "1536Ki")]
    [InlineData(268435456, "256Mi")]
    [InlineData(1L << 62, "4Ei")]
    public void The_shortest_exact_form_is_written(long bytes, string text) => Assert.Equal(text, Quantity.Format(bytes));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(228170137, "217.6 MiB")]
    [InlineData(-1048576, "-1 MiB")]
    [InlineData(long.MaxValue, "8 EiB")]
    public void People_get_a_rounded_form(long bytes, string text) => Assert.Equal(text, Quantity.ForPeople(bytes));

    [Property(MaxTest = 1000)]
    public Property What_is_written_is_read_back() => Prop.ForAll(
        (from bits in Gen.Choose(0, 62) from low in Gen.Choose(0, int.MaxValue) from shift in Gen.Choose(0, 61) select ((1L << bits) ^ (long)low << shift) & long.MaxValue).ToArbitrary(),
        bytes => Quantity.TryParse(Quantity.Format(bytes), out var read) && read == bytes);

    [Property(MaxTest = 1000)]
    public bool No_text_breaks_it(string? text) => !Quantity.TryParse(text ?? "", out var bytes) || bytes >= 0;
}
