using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Triggers;

/// <summary>What real programs did, recorded by the sidecar: testdata/README.md says how.</summary>
public sealed class RecordedSeriesTests
{
    [Theory]
    [InlineData("go-leak.csv", true)]
    [InlineData("go-hold.csv", false)]
    [InlineData("go-sawtooth.csv", false)]
    [InlineData("go-pagecache.csv", false)]
    [InlineData("dotnet-churn.csv", false)]
    public void The_leak_is_found_and_nothing_else(string file, bool leaks)
    {
        foreach (var minutes in new[] { 1, 2, 3, 4 })
        {
            var fired = Play(file, TimeSpan.FromMinutes(minutes));
            if (leaks)
                Assert.InRange(fired.First(), TimeSpan.FromMinutes(minutes) * 7 / 6, TimeSpan.FromMinutes(minutes) * 1.5);
            else
                Assert.Empty(fired);
        }
    }

    private static List<TimeSpan> Play(string file, TimeSpan window)
    {
        var engine = new TriggerEngine([new RisingFloorTrigger("leak", window, 0.1)], new CaptureLimits { Cooldown = TimeSpan.Zero }, TriggerHistory.Empty);
        using var csv = File.OpenRead(Repository.TestData(file));
        var reader = new MemoryCsvReader(csv);
        var fired = new List<TimeSpan>();
        TimeSpan? begin = null;
        while (reader.TryRead(out var row))
        {
            begin ??= row.Sample.Elapsed;
            if (!row.Has("Exited") && engine.Decide(row.Sample).OfType<TriggerDecision.Fire>().Any())
                fired.Add(row.Sample.Elapsed - begin.Value);
        }
        return fired;
    }
}
