using System.Runtime.InteropServices;

namespace Premortem.Profiles.Pprof;

/// <summary>
/// Several profiles as one, each added or subtracted. The rules are those by which pprof merges: functions, mappings and locations
/// are the same where all that is known of them is, wherever the binary was loaded; samples are one where their stacks and labels are.
/// </summary>
public sealed class ProfileMerge
{
    private readonly PprofProfile[] _sources;

    // What the values of the last source are multiplied by: −1 of a base.
    private readonly bool _isDifference;
    private readonly bool _markBase;
    private readonly double[]? _scales;
    private readonly Dictionary<Text, int> _strings;
    private readonly List<Text> _stringTable = [];
    private readonly Dictionary<(int Name, int SystemName, int FileName, long StartLine), int> _functions = [];
    private readonly Dictionary<(ulong Size, ulong Offset, string Name), (int Index, ulong Start)> _mappings = [];
    private readonly Dictionary<Run, int> _locations;
    private readonly Dictionary<Run, int> _samples;

    // Keys of locations and samples, one after the other: what is compared is the runs within.
    private readonly List<long> _keys = [];
    private readonly List<long> _values = [];
    private readonly List<Run> _sampleKeys = [];
    private readonly ProtoWriter _output = new();
    private readonly ProtoWriter _part = new();
    private readonly ProtoWriter _inner = new();

    private ProfileMerge(PprofProfile[] sources, bool isDifference, bool markBase, double[]? scales)
    {
        (_sources, _isDifference, _markBase, _scales) = (sources, isDifference, markBase, scales);
        _strings = new Dictionary<Text, int>(new TextComparer(_sources));
        _locations = new Dictionary<Run, int>(new RunComparer(_keys));
        _samples = new Dictionary<Run, int>(new RunComparer(_keys));
    }

    /// <summary>The sum of profiles.</summary>
    /// <exception cref="ArgumentException">They do not measure the same, or there are none.</exception>
    public static PprofProfile Of(IReadOnlyList<PprofProfile> profiles)
    {
        ArgumentNullException.ThrowIfNull(profiles);
        if (profiles.Count == 0)
            throw new ArgumentException("there is no profile to merge");
        foreach (var other in profiles.Skip(1))
        {
            CheckSame(profiles[0], other, "another profile", "merged");
            if (profiles[0].PeriodType is { } period && other.PeriodType is { } otherPeriod && period != otherPeriod)
                throw new ArgumentException($"the period of one profile is in {otherPeriod.Type}, of another in {period.Type}: they cannot be merged");
        }
        return new ProfileMerge([.. profiles], isDifference: false, markBase: false, scales: null).Make();
    }

    /// <summary>One profile less another.</summary>
    /// <param name="profile">What is left of this is told.</param>
    /// <param name="subtracted">What is subtracted.</param>
    /// <param name="markBase">
    /// Whether what is subtracted is kept apart, with the label <c>pprof::base</c>: shares are then of the base's total, as with pprof's
    /// <c>-diff_base</c>; without it, of what is left, as with its <c>-base</c>.
    /// </param>
    /// <param name="normalize">Whether the profile is first scaled to the base's totals.</param>
    /// <exception cref="ArgumentException">The two do not measure the same.</exception>
    public static PprofProfile Difference(PprofProfile profile, PprofProfile subtracted, bool markBase, bool normalize = false)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(subtracted);
        CheckSame(profile, subtracted, "the base", "compared");
        var scales = normalize ? Scales(profile, subtracted) : null;
        // Rounded is what one stack holds, not each of its samples.
        return new ProfileMerge([scales is null ? profile : Of([profile]), subtracted], isDifference: true, markBase, scales).Make();
    }

    private static void CheckSame(PprofProfile profile, PprofProfile other, string name, string done)
    {
        if (!profile.SampleTypes.SequenceEqual(other.SampleTypes))
            throw new ArgumentException($"{name} measures {Names(other)}, the profile {Names(profile)}: they cannot be {done}");

        static string Names(PprofProfile profile) => string.Join(", ", profile.SampleTypes.Select(type => $"{type.Type} in {type.Unit}"));
    }

    /// <summary>What each sample type has to be multiplied by to have the other's total; null: nothing.</summary>
    private static double[]? Scales(PprofProfile profile, PprofProfile other)
    {
        var (totals, wanted) = (Totals(profile), Totals(other));
        double[] scales = [.. totals.Zip(wanted, (total, want) => total == 0 ? 0 : (double)want / total)];
        return Array.TrueForAll(scales, scale => scale == 1) ? null : scales;

        static long[] Totals(PprofProfile profile)
        {
            var totals = new long[profile.SampleTypes.Count];
            var samples = profile.Samples();
            while (samples.Next())
                for (var i = 0; i < totals.Length; i++)
                    totals[i] = unchecked(totals[i] + samples.Values[i]);
            return totals;
        }
    }

    private PprofProfile Make()
    {
        // The first string of a table is the empty one.
        _ = StringOf(TextOf(""));
        var main = _sources[0];
        foreach (var type in main.SampleTypes)
        {
            _part.Number(1, StringOf(TextOf(type.Type)));
            _part.Number(2, StringOf(TextOf(type.Unit)));
            _output.Message(1, _part);
        }
        for (var i = 0; i < _sources.Length; i++)
            AddSamples(i);
        WriteSamples();
        WriteHeader();
        foreach (var text in _stringTable)
            _output.Bytes(6, Utf8(_sources, text));
        var data = _output.Written.ToArray();
        return new PprofProfile(data, data.Length);
    }

    private void AddSamples(int source)
    {
        var profile = _sources[source];
        // The first mapping is the main binary's, and stays the first.
        if (_mappings.Count == 0 && profile.Mappings.Count > 0)
            _ = MappingOf(profile.Mappings[0]);
        var (functions, locations) = (new int[profile.Functions.Length], new int[profile.Locations.Length]);
        var types = profile.SampleTypes.Count;
        var values = new long[types];
        var isBase = _isDifference && source > 0;
        var samples = profile.Samples();
        while (samples.Next())
        {
            samples.Values.CopyTo(values);
            if (!samples.Values.ContainsAnyExcept(0) || (_scales is not null && source == 0 && !Scale(values)))
                continue;
            // Before the sample's own key is begun: new locations lay theirs down.
            foreach (var location in samples.Locations)
                if (locations[location] == 0)
                    locations[location] = LocationOf(profile, source, profile.Locations[location], functions);
            var start = _keys.Count;
            _keys.Add(samples.Locations.Length);
            foreach (var location in samples.Locations)
                _keys.Add(locations[location]);
            var labels = samples.Labels();
            AddLabels(labels, isBase && _markBase);
            ref var index = ref CollectionsMarshal.GetValueRefOrAddDefault(_samples, new Run(start, _keys.Count - start), out var isKnown);
            if (isKnown)
            {
                CollectionsMarshal.SetCount(_keys, start);
            }
            else
            {
                index = _sampleKeys.Count;
                _sampleKeys.Add(new Run(start, _keys.Count - start));
                CollectionsMarshal.SetCount(_values, _values.Count + types);
                CollectionsMarshal.AsSpan(_values)[^types..].Clear();
            }
            var sums = CollectionsMarshal.AsSpan(_values).Slice(index * types, types);
            for (var i = 0; i < types; i++)
                sums[i] = unchecked(isBase ? sums[i] - values[i] : sums[i] + values[i]);
        }
    }

    /// <summary>Whether something is left of a sample, by pprof's rule: values that are not scaled do not count.</summary>
    private bool Scale(long[] values)
    {
        var isLeft = false;
        for (var i = 0; i < values.Length; i++)
        {
            if (_scales![i] == 1)
                continue;
            values[i] = (long)Math.Round(values[i] * _scales[i], MidpointRounding.AwayFromZero);
            isLeft |= values[i] != 0;
        }
        return isLeft;
    }

    internal const string BaseLabel = "pprof::base";

    private void AddLabels(List<SampleLabel> labels, bool isBase)
    {
        if (isBase)
        {
            labels.RemoveAll(label => label is { Key: BaseLabel, Text: not null });
            labels.Add(new SampleLabel(BaseLabel, "true", 0, ""));
        }
        // The order of keys means nothing, that of one key's values does. What has neither text nor number nor unit is none.
        foreach (var label in labels
            .Where(label => label.Text is not null || label.Number != 0 || label.Unit.Length > 0)
            .OrderBy(label => label.Key, StringComparer.Ordinal)
            .ThenBy(label => label.Text is null))
        {
            _keys.Add(StringOf(TextOf(label.Key)));
            _keys.Add(label.Text is null ? -1 : StringOf(TextOf(label.Text)));
            _keys.Add(label.Number);
            _keys.Add(StringOf(TextOf(label.Unit)));
        }
    }

    /// <returns>The location's id, from 1.</returns>
    private int LocationOf(PprofProfile profile, int source, in LocationEntry location, int[] functions)
    {
        var (mapping, mappingStart) = location.Mapping < 0 ? (0, 0UL) : MappingOf(profile.Mappings[location.Mapping]);
        // The address space is laid out anew each time a program starts.
        var address = location.Mapping < 0 ? location.Address : unchecked(location.Address - profile.Mappings[location.Mapping].Start);
        var start = _keys.Count;
        _keys.Add(mapping);
        _keys.Add((long)address);
        foreach (var line in profile.Lines.AsSpan(location.FirstLine, location.LineCount))
        {
            _keys.Add(line.Function < 0 ? 0 : FunctionOf(profile, source, line.Function, functions));
            _keys.Add(line.Line);
        }
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_locations, new Run(start, _keys.Count - start), out var isKnown);
        if (isKnown)
        {
            CollectionsMarshal.SetCount(_keys, start);
            return id;
        }
        id = _locations.Count;
        _part.Number(1, id);
        _part.Number(2, mapping);
        _part.Number(3, (long)unchecked(address + mappingStart));
        for (var i = start + 2; i < _keys.Count; i += 2)
        {
            _inner.Number(1, _keys[i]);
            _inner.Number(2, _keys[i + 1]);
            _part.Message(4, _inner);
        }
        _output.Message(4, _part);
        return id;
    }

    private int FunctionOf(PprofProfile profile, int source, int function, int[] known)
    {
        if (known[function] is var seen and > 0)
            return seen;
        var entry = profile.Functions[function];
        var key = (StringOf(new Text(source, entry.Name)), StringOf(new Text(source, entry.SystemName)), StringOf(new Text(source, entry.FileName)), entry.StartLine);
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_functions, key, out var isKnown);
        if (!isKnown)
        {
            id = _functions.Count;
            _part.Number(1, id);
            _part.Number(2, key.Item1);
            _part.Number(3, key.Item2);
            _part.Number(4, key.Item3);
            _part.Number(5, entry.StartLine);
            _output.Message(5, _part);
        }
        return known[function] = id;
    }

    private (int Id, ulong Start) MappingOf(ProfileMapping mapping)
    {
        const ulong page = 0x1000;
        var size = unchecked((mapping.Limit - mapping.Start + page - 1) / page);
        ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(
            _mappings, (size, mapping.Offset, mapping.BuildId.Length > 0 ? "b" + mapping.BuildId : mapping.File), out var isKnown);
        if (!isKnown)
        {
            known = (_mappings.Count, mapping.Start);
            _part.Number(1, known.Index);
            _part.Number(2, (long)mapping.Start);
            _part.Number(3, (long)mapping.Limit);
            _part.Number(4, (long)mapping.Offset);
            _part.Number(5, StringOf(TextOf(mapping.File)));
            _part.Number(6, StringOf(TextOf(mapping.BuildId)));
            _part.Number(7, mapping.HasFunctions ? 1 : 0);
            _part.Number(8, mapping.HasFileNames ? 1 : 0);
            _part.Number(9, mapping.HasLineNumbers ? 1 : 0);
            _part.Number(10, mapping.HasInlineFrames ? 1 : 0);
            _output.Message(3, _part);
        }
        return known;
    }

    private void WriteSamples()
    {
        var types = _sources[0].SampleTypes.Count;
        for (var i = 0; i < _sampleKeys.Count; i++)
        {
            var values = CollectionsMarshal.AsSpan(_values).Slice(i * types, types);
            if (!values.ContainsAnyExcept(0))
                continue;
            var key = CollectionsMarshal.AsSpan(_keys).Slice(_sampleKeys[i].Start, _sampleKeys[i].Length);
            var depth = (int)key[0];
            foreach (var location in key.Slice(1, depth))
                _inner.Varint((ulong)location);
            _part.Message(1, _inner);
            foreach (var value in values)
                _inner.Varint((ulong)value);
            _part.Message(2, _inner);
            for (var label = key[(depth + 1)..]; label.Length > 0; label = label[4..])
            {
                _inner.Number(1, label[0]);
                _inner.Number(2, Math.Max(0, label[1]));
                _inner.Number(3, label[2]);
                _inner.Number(4, label[3]);
                _part.Message(3, _inner);
            }
            _output.Message(2, _part);
        }
    }

    private void WriteHeader()
    {
        var main = _sources[0];
        var (time, duration, period) = (0L, 0L, 0L);
        foreach (var source in _sources)
        {
            if (time == 0 || source.TimeNanos < time)
                time = source.TimeNanos;
            duration = unchecked(duration + source.DurationNanos);
            if (period == 0 || period < source.Period)
                period = source.Period;
        }
        _output.Number(7, StringOf(TextOf(main.DropFrames)));
        _output.Number(8, StringOf(TextOf(main.KeepFrames)));
        _output.Number(9, time);
        _output.Number(10, duration);
        if (main.PeriodType is { } periodType)
        {
            _part.Number(1, StringOf(TextOf(periodType.Type)));
            _part.Number(2, StringOf(TextOf(periodType.Unit)));
            _output.Message(11, _part);
        }
        _output.Number(12, period);
        foreach (var comment in _sources.SelectMany(source => source.Comments).Distinct())
            _output.Number(13, StringOf(TextOf(comment)));
        _output.Number(14, StringOf(TextOf(FirstOf(source => source.DefaultSampleType))));
        _output.Number(15, StringOf(TextOf(FirstOf(source => source.DocUrl))));

        string FirstOf(Func<PprofProfile, string> text) => _sources.Select(text).FirstOrDefault(found => found.Length > 0) ?? "";
    }

    private int StringOf(Text text)
    {
        ref var index = ref CollectionsMarshal.GetValueRefOrAddDefault(_strings, text, out var isKnown);
        if (!isKnown)
        {
            index = _stringTable.Count;
            _stringTable.Add(text);
        }
        return index;
    }

    private static Text TextOf(string text) => new(-1, 0, text);

    private static ReadOnlySpan<byte> Utf8(PprofProfile[] sources, Text text) =>
        text.Source < 0 ? System.Text.Encoding.UTF8.GetBytes(text.Literal!) : sources[text.Source].Utf8At(text.Index);

    /// <summary>A string of one of the tables, or one that is spelt out.</summary>
    private readonly record struct Text(int Source, int Index, string? Literal = null);

    /// <summary>A piece of the keys.</summary>
    private readonly record struct Run(int Start, int Length);

    private sealed class TextComparer(PprofProfile[] sources) : IEqualityComparer<Text>
    {
        public bool Equals(Text x, Text y) => x == y || Utf8(sources, x).SequenceEqual(Utf8(sources, y));

        public int GetHashCode(Text text)
        {
            var hash = new HashCode();
            hash.AddBytes(Utf8(sources, text));
            return hash.ToHashCode();
        }
    }

    private sealed class RunComparer(List<long> keys) : IEqualityComparer<Run>
    {
        public bool Equals(Run x, Run y) => Of(x).SequenceEqual(Of(y));

        public int GetHashCode(Run run)
        {
            var hash = new HashCode();
            hash.AddBytes(MemoryMarshal.AsBytes(Of(run)));
            return hash.ToHashCode();
        }

        private ReadOnlySpan<long> Of(Run run) => CollectionsMarshal.AsSpan(keys).Slice(run.Start, run.Length);
    }
}
