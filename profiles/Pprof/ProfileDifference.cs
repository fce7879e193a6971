using System.Runtime.InteropServices;

namespace Premortem.Profiles.Pprof;

/// <summary>
/// One profile less another, as a profile of its own. The rules are those by which pprof merges: functions, mappings and locations
/// are the same where all that is known of them is, wherever the binary was loaded; samples are one where their stacks and labels are.
/// </summary>
internal sealed class ProfileDifference
{
    private readonly bool _markBase;
    private readonly PprofProfile[] _sources;
    private readonly Dictionary<Text, int> _strings;
    private readonly List<Text> _stringTable = [];
    private readonly Dictionary<(int Name, int SystemName, int FileName, long StartLine), int> _functions = [];
    private readonly Dictionary<(ulong Size, ulong Offset, string Name), (int Index, ulong Start)> _mappings = [];
    private readonly Dictionary<Run, int> _locations;
    private readonly Dictionary<Run, int> _samples;

    // Keys of locations and samples, one after the other: what is compared is the runs within.
    private readonly List<long> _keys = [];
    private readonly List<long> _values = [];
    private readonly List<(Run Stack, bool IsBase)> _sampleStacks = [];
    private readonly ProtoWriter _output = new();
    private readonly ProtoWriter _part = new();
    private readonly ProtoWriter _inner = new();

    private ProfileDifference(PprofProfile profile, PprofProfile @base, bool markBase)
    {
        (_sources, _markBase) = ([profile, @base], markBase);
        _strings = new Dictionary<Text, int>(new TextComparer(_sources));
        _locations = new Dictionary<Run, int>(new RunComparer(_keys));
        _samples = new Dictionary<Run, int>(new RunComparer(_keys));
    }

    /// <param name="markBase">
    /// Whether what is subtracted is kept apart, with the label <c>pprof::base</c>: shares are then of the base's total, as with pprof's
    /// <c>-diff_base</c>; without it, of what is left, as with its <c>-base</c>.
    /// </param>
    /// <exception cref="ArgumentException">The two do not measure the same.</exception>
    internal static PprofProfile Of(PprofProfile profile, PprofProfile @base, bool markBase)
    {
        if (!profile.SampleTypes.SequenceEqual(@base.SampleTypes))
            throw new ArgumentException($"the base measures {Names(@base)}, the profile {Names(profile)}: they cannot be compared");
        return new ProfileDifference(profile, @base, markBase).Make();

        static string Names(PprofProfile profile) => string.Join(", ", profile.SampleTypes.Select(type => $"{type.Type} in {type.Unit}"));
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
        var samples = profile.Samples();
        while (samples.Next())
        {
            if (!samples.Values.ContainsAnyExcept(0))
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
            var isBase = source > 0 && _markBase;
            AddLabels(labels, isBase);
            ref var index = ref CollectionsMarshal.GetValueRefOrAddDefault(_samples, new Run(start, _keys.Count - start), out var isKnown);
            if (isKnown)
            {
                CollectionsMarshal.SetCount(_keys, start);
            }
            else
            {
                index = _sampleStacks.Count;
                _sampleStacks.Add((new Run(start + 1, samples.Locations.Length), isBase || labels.Exists(label => label is { Key: BaseLabel, Text: "true" })));
                CollectionsMarshal.SetCount(_values, _values.Count + types);
                CollectionsMarshal.AsSpan(_values)[^types..].Clear();
            }
            var sums = CollectionsMarshal.AsSpan(_values).Slice(index * types, types);
            for (var i = 0; i < types; i++)
                sums[i] = unchecked(source == 0 ? sums[i] + samples.Values[i] : sums[i] - samples.Values[i]);
        }
    }

    private const string BaseLabel = "pprof::base";

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
            _output.Message(3, _part);
        }
        return known;
    }

    private void WriteSamples()
    {
        var types = _sources[0].SampleTypes.Count;
        for (var i = 0; i < _sampleStacks.Count; i++)
        {
            var values = CollectionsMarshal.AsSpan(_values).Slice(i * types, types);
            if (!values.ContainsAnyExcept(0))
                continue;
            var (stack, isBase) = _sampleStacks[i];
            foreach (var location in CollectionsMarshal.AsSpan(_keys).Slice(stack.Start, stack.Length))
                _inner.Varint((ulong)location);
            _part.Message(1, _inner);
            foreach (var value in values)
                _inner.Varint((ulong)value);
            _part.Message(2, _inner);
            if (isBase)
            {
                _inner.Number(1, StringOf(TextOf(BaseLabel)));
                _inner.Number(2, StringOf(TextOf("true")));
                _part.Message(3, _inner);
            }
            _output.Message(2, _part);
        }
    }

    private void WriteHeader()
    {
        var (main, other) = (_sources[0], _sources[1]);
        _output.Number(7, StringOf(TextOf(main.DropFrames)));
        _output.Number(8, StringOf(TextOf(main.KeepFrames)));
        _output.Number(9, main.TimeNanos == 0 || other.TimeNanos < main.TimeNanos ? other.TimeNanos : main.TimeNanos);
        _output.Number(10, unchecked(main.DurationNanos + other.DurationNanos));
        foreach (var comment in main.Comments.Concat(other.Comments).Distinct())
            _output.Number(13, StringOf(TextOf(comment)));
        _output.Number(14, StringOf(TextOf(main.DefaultSampleType.Length > 0 ? main.DefaultSampleType : other.DefaultSampleType)));
        _output.Number(15, StringOf(TextOf(main.DocUrl.Length > 0 ? main.DocUrl : other.DocUrl)));
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

    /// <summary>A string of one of the two tables, or one that is spelt out.</summary>
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
