using System.Runtime.InteropServices;
using System.Text;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>What was counted under each label, as <c>go tool pprof -tags</c> has it.</summary>
public sealed class TagTable
{
    private readonly ShownSamples _shown;

    private TagTable(ShownSamples shown, IReadOnlyList<Tag> tags) => (_shown, Tags) = (shown, tags);

    /// <summary>The labels' keys, the most counted first.</summary>
    public IReadOnlyList<Tag> Tags { get; }

    /// <exception cref="ArgumentException">An option does not fit the profile, or cannot be read.</exception>
    public static TagTable Of(PprofProfile profile, TopOptions? options = null)
    {
        options ??= new TopOptions();
        var shown = new ShownSamples(profile, options);
        var keys = new Dictionary<string, Dictionary<string, long>>();
        while (shown.Next())
        {
            var labels = shown.Labels();
            foreach (var (key, values) in labels.Texts)
                foreach (var value in values)
                    Add(key, value);
            foreach (var (key, values) in labels.Numbers)
                foreach (var value in values)
                    Add(key, Units.Format(value.Value, shown.UnitOf(key), options.UnitOrAuto));
        }
        // Keys have no weight of their own.
        return new TagTable(shown, [.. keys.OrderBy(key => key.Key, ByBytes.Instance).Select(key => new Tag(
            key.Key,
            key.Value.Values.Aggregate(0L, (sum, value) => unchecked(sum + value)),
            [.. key.Value
                .OrderByDescending(value => Size(value.Value))
                .ThenBy(value => value.Key, ByBytes.Instance)
                .Select(value => new TagValue(value.Key, value.Value))]))]);

        void Add(string key, string value)
        {
            if (!keys.TryGetValue(key, out var values))
                keys.Add(key, values = []);
            ref var sum = ref CollectionsMarshal.GetValueRefOrAddDefault(values, value, out _);
            sum = unchecked(sum + shown.Value);
        }
    }

    public void Write(TextWriter writer)
    {
        foreach (var tag in Tags)
        {
            var key = TopTable.Printable(tag.Key) + ":";
            var rows = tag.Values.Select(value => (Text: Measure(value, tag.Total), value.Value)).ToList();
            var (keyWidth, width) = (Math.Max(1, Length(key)) + 1, rows.Max(row => Length(row.Text)) + 1);
            writer.Write($" {key} Total {Number(tag.Total)}\n");
            foreach (var (text, value) in rows)
                writer.Write($"{new string(' ', keyWidth + width - Length(text))}{text} {TopTable.Printable(value)}\n");
            writer.Write('\n');
        }

        string Measure(TagValue value, long total) =>
            total > 0 ? $"{Number(value.Sum)} ({Units.Percentage(value.Sum, total)}):" : $"{Number(value.Sum)}:";

        static int Length(string text) => text.EnumerateRunes().Count();
    }

    private static long Size(long value) => value < 0 ? unchecked(-value) : value;

    private string Number(long value)
    {
        var (scaled, unit) = _shown.Scale(value);
        return Units.OneDecimal(scaled) + unit;
    }

    private sealed class ByBytes : IComparer<string>
    {
        internal static readonly ByBytes Instance = new();

        public int Compare(string? x, string? y) => Encoding.UTF8.GetBytes(x!).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(y!));
    }
}
