using System.Globalization;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Triggers;
using Xunit;

namespace Premortem.Sidecar.Tests.Triggers;

/// <summary>
/// The courses that a rising floor has to be told from, and those that are one. <c>PREMORTEM_SEEDS</c> plays so many of each instead of
/// a few and <c>PREMORTEM_TABLE</c> is the file that the counts are written to: <c>make bench BENCH=replay</c>.
/// </summary>
public sealed class FloorCorpusTests
{
    private const int Seeds = 4;

    private static readonly Trigger[] s_leak = [new RisingFloorTrigger("leak", FloorCourse.Window, 0.1)];

    /// <summary>What cannot be told within a window is not asked for here, and counted below.</summary>
    private static readonly string[] s_ambiguous = ["collections too rare for the window", "a tide of 40 to 120 minutes"];

    public static TheoryData<string> Leaking => [.. FloorCourse.All.Where(course => course.Leaks).Select(course => course.Name)];

    public static TheoryData<string> Flat => [.. FloorCourse.All.Where(course => !course.Leaks && !s_ambiguous.Contains(course.Name)).Select(course => course.Name)];

    [Theory]
    [MemberData(nameof(Leaking))]
    public void A_floor_that_climbs_is_found(string name) =>
        Assert.All(Enumerable.Range(1, Seeds), seed => Assert.NotEmpty(Play(name, seed)));

    [Theory]
    [MemberData(nameof(Flat))]
    public void What_only_looks_like_it_is_let_be(string name) =>
        Assert.All(Enumerable.Range(1, Seeds), seed => Assert.Empty(Play(name, seed)));

    [Fact]
    public void The_counts_of_many_are_written_down()
    {
        if (Environment.GetEnvironmentVariable("PREMORTEM_TABLE") is not { } file)
            return;
        var seeds = int.Parse(Environment.GetEnvironmentVariable("PREMORTEM_SEEDS") ?? "200", CultureInfo.InvariantCulture);
        var table = new StringWriter(CultureInfo.InvariantCulture);
        table.WriteLine("| course | played | hours each | found | missed | found after, p50 / most (windows) | false alarms | courses with one | with a slope alone |");
        table.WriteLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        foreach (var course in FloorCourse.All)
        {
            var plays = Enumerable.Range(1, seeds).Select(seed => Play(course.Name, seed)).ToList();
            var fired = plays.Where(play => play.Count > 0).ToList();
            var after = fired.Select(play => play[0] / FloorCourse.Window).Order().ToList();
            var found = string.Create(CultureInfo.InvariantCulture, $"{fired.Count} | {seeds - fired.Count} | {(fired.Count == 0 ? 0 : after[after.Count / 2]):0.0} / {after.LastOrDefault():0.0} | |");
            var alarms = string.Create(CultureInfo.InvariantCulture, $"| | | {plays.Sum(play => play.Count)} | {fired.Count}");
            table.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {course.Name} | {seeds} | {course.Hours} | {(course.Leaks ? found : alarms)} | {Enumerable.Range(1, seeds).Count(seed => HasSlope(course, seed))} |"));
        }
        File.WriteAllText(file, table.ToString());
    }

    /// <summary>
    /// What an alert on the derivative of memory says: the line of least squares through the last window rises by the growth. It is asked
    /// after 7/6 of a window, and knows of restarts.
    /// </summary>
    private static bool HasSlope(FloorCourse course, int seed)
    {
        const int points = 60;
        var every = FloorCourse.Window / points;
        var means = new Queue<double>();
        var (sum, count, begin, end) = (0.0, 0, TimeSpan.Zero, every);
        foreach (var (sample, isNewLife) in course.Samples(seed))
        {
            if (isNewLife)
            {
                means.Clear();
                (sum, count, begin, end) = (0, 0, sample.Elapsed, sample.Elapsed + every);
            }
            sum += sample.Reading.UnreclaimableBytes;
            count++;
            if (sample.Elapsed < end)
                continue;
            means.Enqueue(sum / count);
            (sum, count, end) = (0, 0, end + every);
            if (means.Count > points)
                means.Dequeue();
            if (sample.Elapsed - begin < FloorCourse.Window * 7 / 6)
                continue;
            var middle = (points - 1) / 2.0;
            var slope = means.Select((mean, i) => (i - middle) * mean).Sum() / means.Select((_, i) => (i - middle) * (i - middle)).Sum();
            if (slope * points >= 0.1 * means.Min())
                return true;
        }
        return false;
    }

    /// <summary>When it fired.</summary>
    private static List<TimeSpan> Play(string name, int seed)
    {
        var engine = new TriggerEngine(s_leak, new CaptureLimits { Cooldown = TimeSpan.Zero, MaxPerDay = 10_000 }, TriggerHistory.Empty);
        var fired = new List<TimeSpan>();
        foreach (var (sample, isNewLife) in FloorCourse.All.Single(course => course.Name == name).Samples(seed))
        {
            if (isNewLife)
                engine.StartIncarnation();
            if (engine.Decide(sample) is [TriggerDecision.Fire])
                fired.Add(sample.Elapsed);
        }
        return fired;
    }
}
