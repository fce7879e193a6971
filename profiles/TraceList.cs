using Premortem.Profiles.Pprof;

namespace Premortem.Profiles;

/// <summary>Every sample with its labels and stack, as <c>go tool pprof -traces</c> has them.</summary>
public static class TraceList
{
    private const string Separator = "-----------+-------------------------------------------------------";

    /// <summary>Writes them as they are read: a profile may have millions.</summary>
    /// <exception cref="ArgumentException">An option does not fit the profile, or cannot be read.</exception>
    public static void Write(PprofProfile profile, TextWriter writer, TopOptions? options = null)
    {
        options ??= new TopOptions();
        var shown = new ShownSamples(profile, options);
        foreach (var line in shown.Header())
            writer.Write(TopTable.Printable(line) + "\n");
        var names = new string?[shown.View.Lines.Length];
        while (shown.Next())
        {
            writer.Write(Separator + "\n");
            WriteLabels(writer, shown);
            var value = shown.Format(shown.Value);
            foreach (var index in shown.Stack)
            {
                ref var location = ref shown.View.Locations[index];
                var count = Math.Max(1, location.LineCount);
                for (var line = 0; line < count; line++)
                {
                    TopTable.PadLeft(writer, value);
                    value = "";
                    writer.Write("   ");
                    writer.Write(location.LineCount == 0 ? NameOf(location, line) : names[location.FirstLine + line] ??= NameOf(location, line));
                    writer.Write(line < count - 1 ? " (inline)\n" : "\n");
                }
            }
        }
        writer.Write(Separator + "\n");

        string NameOf(in LocationEntry location, int line) =>
            TopTable.Printable(Place.Of(shown.Profile, shown.View, location, line, options.Granularity, trimPath: null).Printable());
    }

    private static void WriteLabels(TextWriter writer, ShownSamples shown)
    {
        var labels = shown.Labels();
        foreach (var lines in new[]
        {
            labels.Texts.Select(label => Line(label.Key, label.Values)),
            labels.Numbers.Select(label => Line(label.Key, label.Values.Select(value => Units.Format(value.Value, shown.UnitOf(label.Key), Units.Auto)))),
        })
            foreach (var line in lines.Order(StringComparer.Ordinal))
                writer.Write(line);

        static string Line(string key, IEnumerable<string> values) =>
            $"{new string(' ', Math.Max(0, 10 - key.EnumerateRunes().Count()))}{TopTable.Printable(key)}:  {TopTable.Printable(string.Join(' ', values))}\n";
    }
}
