using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Findings;

/// <summary>A goroutine profile by stacks, the largest group first.</summary>
public sealed record GoroutineGroups
{
    internal const int MostFrames = 60;
    private const int MostGroups = 30;

    // What waits there waits on behalf of its caller.
    private static readonly string[] Plumbing = ["runtime.", "runtime/", "sync.", "internal/", "syscall."];

    /// <summary>How many goroutines there are.</summary>
    public required long Total { get; init; }

    /// <summary>The largest groups.</summary>
    public required IReadOnlyList<GoroutineGroup> Groups { get; init; }

    /// <summary>How many groups there are beside those.</summary>
    public required int OtherGroups { get; init; }

    /// <summary>How many stand in each place, over all groups, the fullest first.</summary>
    public required IReadOnlyList<KeyValuePair<string, long>> Places { get; init; }

    /// <summary>The profile's file.</summary>
    public required string File { get; init; }

    /// <summary>How many there were at an earlier look; null: there was none.</summary>
    public long? Before { get; init; }

    /// <summary>The earlier look's file.</summary>
    public string? BeforeFile { get; init; }

    /// <summary>The groups of a profile; null where it is none of goroutines.</summary>
    public static GoroutineGroups? Of(PprofProfile profile, string file)
    {
        ArgumentNullException.ThrowIfNull(profile);
        if (profile.SampleTypes is not [{ Type: "goroutine" }, ..])
            return null;
        var view = new StackView(profile, StackFilters.None, noInlines: false);
        var (total, groups) = (0L, new List<(long Count, int Sample)>());
        var places = new Dictionary<string, long>(StringComparer.Ordinal);
        var samples = profile.Samples();
        while (samples.Next())
        {
            if (samples.Values[0] <= 0)
                continue;
            total = unchecked(total + samples.Values[0]);
            groups.Add((samples.Values[0], samples.Count));
            var where = WhereOf(Frames(samples));
            places[where] = places.GetValueOrDefault(where) + samples.Values[0];
        }
        groups.Sort((left, right) => right.Count.CompareTo(left.Count) is not 0 and var order ? order : left.Sample.CompareTo(right.Sample));
        var wanted = groups.Take(MostGroups).ToDictionary(group => group.Sample, group => group.Count);
        var kept = new List<GoroutineGroup>();
        samples = profile.Samples();
        while (samples.Next())
            if (wanted.TryGetValue(samples.Count, out var count))
            {
                var frames = Frames(samples).Take(MostFrames).ToList();
                kept.Add(new GoroutineGroup(count, WhereOf(frames), frames));
            }
        return new GoroutineGroups
        {
            Total = total,
            Groups = [.. kept.OrderByDescending(group => group.Count)],
            OtherGroups = groups.Count - kept.Count,
            Places = [.. places.OrderByDescending(place => place.Value).ThenBy(place => place.Key, StringComparer.Ordinal).Take(MostGroups)],
            File = file,
        };

        // The innermost first.
        IEnumerable<string> Frames(SampleCursor cursor)
        {
            var stack = view.Of(cursor).ToArray();
            foreach (var index in stack)
            {
                var location = view.Locations[index];
                for (var line = 0; line < Math.Max(1, location.LineCount); line++)
                    yield return Place.Of(profile, view, location, line, Granularity.Functions, "").Printable();
            }
        }
    }

    private static string WhereOf(IEnumerable<string> frames)
    {
        string? first = null;
        foreach (var frame in frames)
        {
            first ??= frame;
            if (!Array.Exists(Plumbing, start => frame.StartsWith(start, StringComparison.Ordinal)))
                return frame;
        }
        return first ?? "no known function";
    }
}
