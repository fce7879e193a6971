using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Xunit;

namespace Premortem.Contracts.Tests;

public sealed class DurationsTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData("2s", 2000)]
    [InlineData("1m30s", 90_000)]
    [InlineData("1.5h", 5_400_000)]
    [InlineData("250ms", 250)]
    [InlineData("100us", 0.1)]
    [InlineData("100µs", 0.1)]
    [InlineData("100μs", 0.1)]
    [InlineData("1000000ns", 1)]
    [InlineData(".5s", 500)]
    [InlineData("5.s", 5000)]
    [InlineData("0.29s", 290)]
    [InlineData("1h1h", 7_200_000)]
    [InlineData("1s1h", 3_601_000)]
    [InlineData("8784h", 366 * 86_400_000.0)]
    public void What_Go_takes_is_read_as_it_reads_it(string text, double milliseconds)
    {
        Assert.True(Durations.TryParse(text, out var duration));
        Assert.Equal(TimeSpan.FromMicroseconds(milliseconds * 1000), duration);
    }

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("2")]
    [InlineData("00")]
    [InlineData("-2s")]
    [InlineData("2 s")]
    [InlineData("2s ")]
    [InlineData(".s")]
    [InlineData("1..2s")]
    [InlineData("1e3s")]
    [InlineData("2S")]
    [InlineData("2sec")]
    [InlineData("1d")]
    [InlineData("2s3")]
    [InlineData("8785h")]
    [InlineData("99999999999999999999999999999999999h")]
    [InlineData("1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s")]
    public void Anything_else_is_refused(string text) => Assert.False(Durations.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(20, "20ms")]
    [InlineData(0.1, "0.1ms")]
    [InlineData(1500, "1.5s")]
    [InlineData(1000.5, "1.0005s")]
    [InlineData(600_000, "10m")]
    [InlineData(5_400_000, "1h30m")]
    [InlineData(3_600_001, "1h0.001s")]
    [InlineData(90_000_000, "25h")]
    [InlineData(-1500, "-1.5s")]
    public void The_form_that_users_type_is_written(double milliseconds, string text) =>
        Assert.Equal(text, Durations.Format(TimeSpan.FromMicroseconds(milliseconds * 1000)));

    [Property(MaxTest = 2000)]
    public Property What_is_written_is_read_back() => Prop.ForAll(
        (from bits in Gen.Choose(0, 48) from low in Gen.Choose(0, int.MaxValue) select TimeSpan.FromTicks(Math.Min((1L << bits) ^ low, TimeSpan.FromDays(366).Ticks))).ToArbitrary(),
        duration => Durations.TryParse(Durations.Format(duration), out var read) && read == duration);

    [Property(MaxTest = 1000)]
    public bool No_text_breaks_it(string? text) => !Durations.TryParse(text ?? "", out var duration) || duration >= TimeSpan.Zero;
}
