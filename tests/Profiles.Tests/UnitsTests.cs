using Xunit;

namespace Premortem.Profiles.Tests;

public sealed class UnitsTests
{
    [Theory]
    [InlineData(0, "bytes", "auto", "0")]
    [InlineData(1, "bytes", "auto", "1B")]
    [InlineData(1536, "bytes", "auto", "1.50kB")]
    [InlineData(-1536, "bytes", "auto", "-1.50kB")]
    [InlineData(1, "bytes", "GB", "0")]
    [InlineData(128, "bytes", "kB", "0.12kB")] // 0.125: the even digit
    [InlineData(384, "bytes", "kB", "0.38kB")] // 0.375
    [InlineData(10_000_000, "nanoseconds", "auto", "10ms")]
    [InlineData(3_600_000_000_000, "nanoseconds", "auto", "1hrs")]
    [InlineData(0, "nanoseconds", "auto", "0")]
    [InlineData(5, "count", "count", "5")]
    [InlineData(5, "widgets", "widgets", "5widgets")]
    [InlineData(2_000, "milligcu", "auto", "2GCU")]
    [InlineData(long.MinValue, "bytes", "auto", "-9223372036854775808B")]
    public void Values_are_spelt_as_pprof_spells_them(long value, string from, string to, string text) =>
        Assert.Equal(text, Units.Format(value, from, to));

    [Theory]
    [InlineData(0, 0, "    0%")]
    [InlineData(0, 7, "    0%")]
    [InlineData(1, 1, "  100%")]
    [InlineData(9995, 10000, "  100%")]
    [InlineData(1, 3, "33.33%")]
    [InlineData(1, 32, " 3.12%")] // 3.125
    [InlineData(1, 800, " 0.12%")] // 0.125
    [InlineData(999, 100000, "    1%")] // 0.999
    [InlineData(1, 1600, "0.062%")] // 0.0625
    [InlineData(1, 10_000_000, "1e-05%")]
    [InlineData(123, 100_000_000_000, "1.2e-07%")]
    [InlineData(3, 1, "300.00%")]
    [InlineData(-1, 2, "50.00%")]
    public void Shares_are_spelt_as_pprof_spells_them(long value, long total, string text) => Assert.Equal(text, Units.Percentage(value, total));
}
