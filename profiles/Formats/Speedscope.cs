using System.Globalization;
using System.Text.Json;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Formats;

/// <summary>The JSON that speedscope opens: https://www.speedscope.app/file-format-schema.json. Each sample type is a profile of its own.</summary>
public static class Speedscope
{
    private const int FlushBytes = 64 * 1024;

    /// <exception cref="ArgumentException">An option does not fit the profile, or a value is negative, as in differences.</exception>
    public static void Write(PprofProfile profile, Stream stream, string name, TopOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(profile);
        options ??= new TopOptions();
        var active = profile.SampleIndex(options.SampleIndex);
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteString("$schema", "https://www.speedscope.app/file-format-schema.json");
        json.WriteString("exporter", "premortem");
        json.WriteString("name", name);
        json.WriteNumber("activeProfileIndex", active);
        json.WriteStartArray("profiles");
        var shared = new Dictionary<string, int>();
        for (var type = 0; type < profile.SampleTypes.Count; type++)
            WriteProfile(json, profile, options with { SampleIndex = type.ToString(CultureInfo.InvariantCulture) }, profile.SampleTypes[type], shared);
        json.WriteEndArray();
        json.WriteStartObject("shared");
        json.WriteStartArray("frames");
        foreach (var frame in shared.OrderBy(frame => frame.Value))
        {
            json.WriteStartObject();
            json.WriteString("name", frame.Key);
            json.WriteEndObject();
            FlushSome(json);
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteProfile(Utf8JsonWriter json, PprofProfile profile, TopOptions options, SampleType type, Dictionary<string, int> shared)
    {
        var samples = new ShownSamples(profile, options);
        var names = new FrameNames(samples, options);
        var (frames, numbers, weights, total) = (new List<int>(), new List<int>(), new List<long>(), 0L);
        json.WriteStartObject();
        json.WriteString("type", "sampled");
        json.WriteString("name", type.Type.Length > 0 ? type.Type : "samples");
        json.WriteString("unit", type.Unit is "nanoseconds" or "microseconds" or "milliseconds" or "seconds" or "bytes" ? type.Unit : "none");
        json.WriteNumber("startValue", 0);
        json.WriteStartArray("samples");
        while (samples.Next())
        {
            if (samples.Value == 0)
                continue;
            if (samples.Value < 0)
                throw new ArgumentException("speedscope cannot show that something has become less; 'premortem diff' can");
            names.Read(frames);
            for (var i = numbers.Count; i < names.All.Count; i++)
            {
                if (!shared.TryGetValue(names.All[i], out var number))
                    shared.Add(names.All[i], number = shared.Count);
                numbers.Add(number);
            }
            json.WriteStartArray();
            foreach (var frame in frames)
                json.WriteNumberValue(numbers[frame]);
            json.WriteEndArray();
            FlushSome(json);
            weights.Add(samples.Value);
            total = unchecked(total + samples.Value);
        }
        json.WriteEndArray();
        json.WriteStartArray("weights");
        foreach (var weight in weights)
        {
            json.WriteNumberValue(weight);
            FlushSome(json);
        }
        json.WriteEndArray();
        json.WriteNumber("endValue", total);
        json.WriteEndObject();
    }

    /// <summary>The writer keeps all that it is told until somebody says otherwise.</summary>
    private static void FlushSome(Utf8JsonWriter json)
    {
        if (json.BytesPending > FlushBytes)
            json.Flush();
    }
}
