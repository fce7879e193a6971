using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Premortem.Sidecar.Memory;
using Xunit;

namespace Premortem.Sidecar.Tests.Memory;

public sealed class MemoryCsvReaderTests
{
    private const string Header = "time,elapsed_seconds,working_set_bytes,usage_bytes,unreclaimable_bytes,limit_bytes,ceiling_bytes,oom_kills,event";
    private const string Row = "2026-03-01T12:05:09.250Z,61.250,179306496,180355072,178257920,268435456,201326592,3,trigger:oom-ahead+captured:Heap";

    [Fact]
    public void What_the_sidecar_writes_is_read_back()
    {
        var samples = Enumerable.Range(0, 3000).Select(i => new MemorySample(
            new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero).AddMilliseconds(i * 37),
            TimeSpan.FromMilliseconds(i * 37),
            new MemoryReading(1_000_000 + (i * 1000), i * 10, i * 20, i % 2 == 0 ? null : 1L << 30, i % 3 == 0 ? null : i),
            i % 5 == 0 ? null : 1L << 29)).ToList();
        var csv = new StringWriter(CultureInfo.InvariantCulture);
        MemoryTimeline.WriteCsv(csv, samples, [new MemoryEvent(samples[7].At, "trigger:leak"), new MemoryEvent(samples[7].At, "captured:Heap")]);
        var rows = Read(csv.ToString());
        // An empty ceiling beside a limit is one that nobody had told yet.
        Assert.Equal(samples.Select(sample => sample with { CeilingBytes = sample.CeilingBytes ?? sample.Reading.LimitBytes }), rows.Select(row => row.Sample));
        Assert.Equal("trigger:leak+captured:Heap", Assert.Single(rows, row => row.Events.Length > 0).Events);
        Assert.True(rows[7].Has("captured:Heap"));
        Assert.False(rows[7].Has("captured"));
        Assert.True(rows[0].BeginsFile);
        Assert.All(rows.Skip(1), row => Assert.False(row.BeginsFile));
    }

    [Theory]
    [InlineData(Header + "\n" + Row)]
    [InlineData(Header + "\r\n" + Row + "\r\n")]
    [InlineData("\uFEFF" + Header + "\n\n" + Row + "\n\n")]
    public void Ends_of_lines_and_marks_do_not_matter(string text) => Assert.Equal(179306496, Assert.Single(Read(text)).Sample.Reading.WorkingSetBytes);

    [Fact]
    public void Columns_may_be_missing_or_new_and_in_any_order()
    {
        var row = Assert.Single(Read("working_set_bytes,colour,elapsed_seconds\n1000,green,2.5\n"));
        Assert.Equal(new MemorySample(DateTimeOffset.UnixEpoch.AddSeconds(2.5), TimeSpan.FromSeconds(2.5), new MemoryReading(1000, 0, 0, null, null), null), row.Sample);
        Assert.Equal(77, Assert.Single(Read("time,working_set_bytes,heap_bytes\n2026-03-01T12:00:00Z,1000,77\n")).Sample.HeapAfterGcBytes);
        var timed = Read("time,working_set_bytes\n2026-03-01T12:00:00+01:00,1000\n2026-03-01T11:00:02Z,1000\n");
        Assert.Equal([TimeSpan.Zero, TimeSpan.FromSeconds(2)], timed.Select(item => item.Sample.Elapsed));
    }

    [Fact]
    public void Files_may_follow_one_another()
    {
        var rows = Read(Header + "\n" + Row + "\n" + Header + "\n" + Row.Replace("61.250", "1.5", StringComparison.Ordinal));
        Assert.Equal([true, true], rows.Select(row => row.BeginsFile));
        Assert.Equal([2, 4], rows.Select(row => row.Line));
    }

    [Theory]
    [InlineData("", "line 1: there is nothing; a memory.csv begins with the names of its columns")]
    [InlineData("a,b\n1,2\n", "line 1: is no header of a memory.csv: there is no column working_set_bytes")]
    [InlineData("working_set_bytes\n1\n", "line 1: there is neither a column time nor elapsed_seconds")]
    [InlineData("time,time,working_set_bytes\n", "line 1: a column stands here twice")]
    [InlineData(Header + "\n" + Row + "\n2026-03-01T12:05:09.250Z,61.3,1793", "line 3: has 3 fields, and the header has 9: a row that was cut off?")]
    [InlineData("elapsed_seconds,working_set_bytes\n1,2\n1,-5\n", "line 3: working_set_bytes is '-5', but has to be a whole number that is not negative")]
    [InlineData("elapsed_seconds,working_set_bytes\n1,2e9\n", "line 2: working_set_bytes is '2e9', but has to be a whole number that is not negative")]
    [InlineData("elapsed_seconds,working_set_bytes\nNaN,2\n", "line 2: elapsed_seconds is 'NaN', but has to be a number of seconds")]
    [InlineData("elapsed_seconds,working_set_bytes\n1e300,2\n", "line 2: elapsed_seconds is '1e300', but has to be a number of seconds")]
    [InlineData("elapsed_seconds,working_set_bytes\n1,\n", "line 2: has no working_set_bytes")]
    [InlineData("elapsed_seconds,working_set_bytes\n,1\n", "line 2: has no time")]
    [InlineData("elapsed_seconds,working_set_bytes\n2,1\n1,1\n", "line 3: is earlier than the row before; rows have to stand in the order of their time")]
    [InlineData("time,working_set_bytes\n2026-02-30T12:05:09.250Z,1\n", "line 2: time is '2026-02-30T12:05:09.250Z', but has to be a time like 2026-03-01T12:05:09.250Z")]
    [InlineData("time,working_set_bytes\n0001-01-01T00:00:00Z,1\n", "line 2: time is '0001-01-01T00:00:00Z', but has to be a time like 2026-03-01T12:05:09.250Z")]
    public void What_is_wrong_is_told_with_its_line(string text, string message) =>
        Assert.Equal(message, Assert.Throws<MemoryCsvException>(() => Read(text)).Message);

    [Theory]
    [InlineData(5_000)]
    [InlineData(1_000_000)]
    public void A_line_without_an_end_is_not_read_to_its_end(int length)
    {
        var endless = new MemoryStream(Encoding.UTF8.GetBytes(Header + "\n" + new string('1', length)));
        Assert.Equal("line 2: is longer than 4096 bytes", Assert.Throws<MemoryCsvException>(() => Read(endless)).Message);
        Assert.True(endless.Position < 100_000);
    }

    [Property(MaxTest = 500)]
    public Property Anything_is_read_or_refused() => Prop.ForAll(
        ArbMap.Default.ArbFor<byte[]>(),
        ArbMap.Default.ArbFor<byte>(),
        (bytes, at) =>
        {
            // Right up to a place, and then anything.
            var good = Encoding.UTF8.GetBytes(Header + "\n" + Row + "\n" + Row + "\n");
            byte[] mixed = [.. good.Take(at), .. bytes, .. good.Skip(at)];
            try
            {
                Read(new MemoryStream(mixed));
            }
            catch (MemoryCsvException)
            {
                // Refused.
            }
        });

    private static List<MemoryRow> Read(string text) => Read(new MemoryStream(Encoding.UTF8.GetBytes(text)));

    private static List<MemoryRow> Read(Stream stream)
    {
        var reader = new MemoryCsvReader(stream);
        var rows = new List<MemoryRow>();
        while (reader.TryRead(out var row))
            rows.Add(row);
        return rows;
    }
}
