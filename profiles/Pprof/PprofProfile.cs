using System.Globalization;
using System.Text;

namespace Premortem.Profiles.Pprof;

/// <summary>
/// A profile in pprof's format, gzip or not: https://github.com/google/pprof/blob/main/proto/profile.proto. The whole of it has been
/// checked once it is here. What it takes in memory is its uncompressed bytes, and some tables that are smaller than those in every
/// profile that a program would write.
/// </summary>
public sealed class PprofProfile
{
    /// <summary>How many uncompressed bytes are taken where the caller does not say.</summary>
    public const long DefaultMaxBytes = 512L << 20;

    // Every reference to a location can stand for all of its inlined frames: a small file could ask for days of work.
    private const long MaxFrames = 1L << 29;

    private readonly byte[] _data;
    private readonly int _length;
    private readonly Slice[] _strings;

    internal PprofProfile(byte[] data, int length)
    {
        (_data, _length) = (data, length);
        if (length == 0)
            throw new ProfileFormatException("the profile is empty", 0);
        RefuseOtherFormats(Data);

        var places = Index();
        _strings = ReadStrings(places.Strings);
        SampleTypes = ReadSampleTypes(places.SampleTypes);
        (Mappings, var mappingIds) = ReadMappings(places.Mappings);
        (Functions, var functionIds) = ReadFunctions(places.Functions);
        LocationIds = new IdTable(places.Locations.Count, "location");
        (Locations, Lines) = ReadLocations(places.Locations, mappingIds, functionIds);
        SampleOffsets = [.. places.Samples];
        ReadHeader();
        CheckSamples();
    }

    /// <summary>What the values of each sample measure; at least one.</summary>
    public IReadOnlyList<SampleType> SampleTypes { get; }

    /// <summary>The sample type that is meant where nobody says which: the one that the profile names, else the last.</summary>
    public int DefaultSampleIndex { get; private set; }

    /// <summary>The binaries in the process's memory; the first is the main one.</summary>
    public IReadOnlyList<ProfileMapping> Mappings { get; }

    public IReadOnlyList<string> Comments { get; private set; } = [];

    /// <summary>A regular expression: frames whose whole name it matches are dropped, with all that they call. Empty: none.</summary>
    public string DropFrames { get; private set; } = "";

    /// <summary>A regular expression: frames whose whole name it matches are kept despite <see cref="DropFrames"/>. Empty: none.</summary>
    public string KeepFrames { get; private set; } = "";

    /// <summary>When it was taken; null: not known.</summary>
    public DateTimeOffset? Time =>
        TimeNanos == 0 ? null : DateTimeOffset.UnixEpoch.AddTicks(TimeNanos >= 0 ? TimeNanos / 100 : (TimeNanos - 99) / 100);

    /// <summary>How long it took, in nanoseconds; 0: not known, or no matter.</summary>
    public long DurationNanos { get; private set; }

    /// <summary>What is counted between two samples; null: not known.</summary>
    public SampleType? PeriodType { get; private set; }

    /// <summary>How much of <see cref="PeriodType"/> lies between two samples.</summary>
    public long Period { get; private set; }

    /// <summary>Where its producer says that it is described; empty: nowhere.</summary>
    public string DocUrl { get; private set; } = "";

    public int SampleCount => SampleOffsets.Length;

    public int LocationCount => Locations.Length;

    public int FunctionCount => Functions.Length;

    /// <summary>How many bytes it has uncompressed.</summary>
    public long UncompressedBytes => _length;

    internal ReadOnlySpan<byte> Data => _data.AsSpan(0, _length);

    internal FunctionEntry[] Functions { get; }

    internal LocationEntry[] Locations { get; }

    internal LineEntry[] Lines { get; }

    internal IdTable LocationIds { get; }

    internal int[] SampleOffsets { get; }

    internal long TimeNanos { get; private set; }

    /// <summary>The name of the sample type that the profile itself means; empty: it does not say.</summary>
    internal string DefaultSampleType { get; private set; } = "";

    /// <summary>Reads a profile to the end of <paramref name="stream"/>.</summary>
    /// <param name="stream">The profile, gzip or not.</param>
    /// <param name="maxBytes">How many uncompressed bytes are taken at most.</param>
    /// <exception cref="ProfileFormatException">It is no whole and valid profile, or larger than allowed.</exception>
    public static PprofProfile Read(Stream stream, long maxBytes = DefaultMaxBytes)
    {
        var (data, length) = ProfileBytes.Read(stream, maxBytes);
        return new PprofProfile(data, length);
    }

    /// <inheritdoc cref="Read(Stream, long)"/>
    /// <param name="path">The file's name.</param>
    /// <param name="maxBytes">How many uncompressed bytes are taken at most.</param>
    public static PprofProfile ReadFile(string path, long maxBytes = DefaultMaxBytes)
    {
        // No buffer of its own: the reads are large.
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        return Read(file, maxBytes);
    }

    /// <summary>
    /// The sample type of a name, as pprof's <c>-sample_index</c> takes it: a name, a number from 0, or null for the default. The
    /// <c>inuse_</c> of old heap profiles may be left away or be there.
    /// </summary>
    /// <exception cref="ArgumentException">The profile has no such sample type.</exception>
    public int SampleIndex(string? name)
    {
        if (string.IsNullOrEmpty(name))
            return DefaultSampleIndex;
        if (int.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index))
            return index >= 0 && index < SampleTypes.Count
                ? index
                : throw new ArgumentException($"sample index {name} is outside of 0 to {SampleTypes.Count - 1}");
        var old = name.StartsWith("inuse_", StringComparison.Ordinal) ? name[6..] : name;
        for (var i = 0; i < SampleTypes.Count; i++)
            if (SampleTypes[i].Type == name || SampleTypes[i].Type == old)
                return i;
        throw new ArgumentException($"sample type '{name}' is not in the profile; it has {string.Join(", ", SampleTypes.Select(t => t.Type))}");
    }

    internal SampleCursor Samples() => new(this);

    /// <summary>Writes it as <c>.pb.gz</c> files are.</summary>
    public void Write(Stream stream)
    {
        using var gzip = new System.IO.Compression.GZipStream(stream, System.IO.Compression.CompressionLevel.Optimal, leaveOpen: true);
        gzip.Write(Data);
    }

    /// <summary>Writes it uncompressed.</summary>
    public void WriteRaw(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        stream.Write(Data);
    }

    internal ReadOnlySpan<byte> Utf8At(int index) => _data.AsSpan(_strings[index].Start, _strings[index].Length);

    internal string StringAt(int index) => Encoding.UTF8.GetString(Utf8At(index));

    /// <summary>The current field of <paramref name="reader"/> as a number in the string table.</summary>
    internal int StringIndex(ProtoReader reader, string what)
    {
        var index = reader.NumberOf(what);
        return index < (ulong)_strings.Length
            ? (int)index
            : throw new ProfileFormatException($"{what} is string {index} of a table of {_strings.Length}", reader.FieldStart);
    }

    private static void RefuseOtherFormats(ReadOnlySpan<byte> data)
    {
        if (data.StartsWith("heap profile:"u8) || data.StartsWith("goroutine profile:"u8) || data.StartsWith("threadcreate profile:"u8)
            || data.StartsWith("--- "u8) || data.StartsWith("goroutine "u8))
            throw new ProfileFormatException("this is the text form of a profile (?debug=1 or 2); what is needed is the binary one, without 'debug'", 0);
        if (data.StartsWith("Nettrace"u8))
            throw new ProfileFormatException("this is a nettrace of .NET, not a pprof profile", 0);
        if (data.StartsWith("go 1."u8) && data.Length > 16 && data[..16].IndexOf(" trace"u8) > 0)
            throw new ProfileFormatException("this is an execution trace of Go, not a pprof profile: see 'go tool trace'", 0);
    }

    /// <summary>Where the profile's parts are. They may stand in any order, and refer to what comes later.</summary>
    private (List<int> SampleTypes, List<int> Samples, List<int> Mappings, List<int> Locations, List<int> Functions, List<Slice> Strings) Index()
    {
        var (sampleTypes, samples, mappings, locations, functions, strings) =
            (new List<int>(), new List<int>(), new List<int>(), new List<int>(), new List<int>(), new List<Slice>());
        var reader = new ProtoReader(Data, 0, _length);
        while (reader.Next())
        {
            var kind = reader.Field switch
            {
                1 => sampleTypes,
                2 => samples,
                3 => mappings,
                4 => locations,
                5 => functions,
                _ => null,
            };
            if (reader.Field <= 6 && reader.WireType != ProtoReader.Bytes)
                throw new ProfileFormatException($"field {reader.Field} of a profile has the wire type {reader.WireType}, not 2", reader.FieldStart);
            kind?.Add(reader.FieldStart);
            if (reader.Field == 6)
                strings.Add(new Slice(reader.Start, reader.Length));
        }
        return (sampleTypes, samples, mappings, locations, functions, strings);
    }

    private ProtoReader MessageAt(int offset)
    {
        var field = new ProtoReader(Data, offset, _length - offset);
        field.Next();
        return field.MessageOf("a part of the profile");
    }

    private Slice[] ReadStrings(List<Slice> slices)
    {
        if (slices.Count == 0)
            throw new ProfileFormatException("there is no string table: this is no profile, or it is cut off", _length);
        return slices[0].Length == 0 ? [.. slices] : throw new ProfileFormatException("the first string is not empty", slices[0].Start);
    }

    private List<SampleType> ReadSampleTypes(List<int> places)
    {
        if (places.Count == 0)
            throw new ProfileFormatException("there are no sample types: this is no profile", _length);
        // Real profiles have one to four. Each of them becomes two strings, which may be the same long one.
        if (places.Count > 64)
            throw new ProfileFormatException($"there are {places.Count} sample types: this is no profile", places[64]);
        return places.ConvertAll(place => ReadSampleType(MessageAt(place)));
    }

    private SampleType ReadSampleType(ProtoReader message)
    {
        var (type, unit) = (0, 0);
        while (message.Next())
            switch (message.Field)
            {
                case 1: type = StringIndex(message, "a sample type's name"); break;
                case 2: unit = StringIndex(message, "a sample type's unit"); break;
            }
        return new SampleType(ShortStringAt(type, message.Position), ShortStringAt(unit, message.Position));
    }

    private (ProfileMapping[] Mappings, IdTable Ids) ReadMappings(List<int> places)
    {
        var mappings = new ProfileMapping[places.Count];
        var ids = new IdTable(mappings.Length, "mapping");
        var names = new Dictionary<int, string>();
        for (var i = 0; i < mappings.Length; i++)
        {
            var (id, start, limit, offset, file, buildId, flags) = (0UL, 0UL, 0UL, 0UL, 0, 0, 0);
            var message = MessageAt(places[i]);
            while (message.Next())
                switch (message.Field)
                {
                    case 1: id = message.NumberOf("a mapping's id"); break;
                    case 2: start = message.NumberOf("a mapping's start"); break;
                    case 3: limit = message.NumberOf("a mapping's limit"); break;
                    case 4: offset = message.NumberOf("a mapping's offset"); break;
                    case 5: file = StringIndex(message, "a mapping's file"); break;
                    case 6: buildId = StringIndex(message, "a mapping's build id"); break;
                    case >= 7 and <= 10: flags |= message.NumberOf("a mapping's flag") != 0 ? 1 << message.Field : 0; break;
                }
            ids.Add(id, i, places[i]);
            mappings[i] = new ProfileMapping(start, limit, offset, Name(file), Name(buildId), (flags & (1 << 7)) != 0)
            {
                HasFileNames = (flags & (1 << 8)) != 0,
                HasLineNumbers = (flags & (1 << 9)) != 0,
                HasInlineFrames = (flags & (1 << 10)) != 0,
            };
        }
        return (mappings, ids);

        // A million mappings of one long name are one string.
        string Name(int index) => names.TryGetValue(index, out var name) ? name : names[index] = StringAt(index);
    }

    private (FunctionEntry[] Functions, IdTable Ids) ReadFunctions(List<int> places)
    {
        var functions = new FunctionEntry[places.Count];
        var ids = new IdTable(functions.Length, "function");
        for (var i = 0; i < functions.Length; i++)
        {
            var (id, name, systemName, fileName, startLine) = (0UL, 0, 0, 0, 0L);
            var message = MessageAt(places[i]);
            while (message.Next())
                switch (message.Field)
                {
                    case 1: id = message.NumberOf("a function's id"); break;
                    case 2: name = StringIndex(message, "a function's name"); break;
                    case 3: systemName = StringIndex(message, "a function's system name"); break;
                    case 4: fileName = StringIndex(message, "a function's file"); break;
                    case 5: startLine = (long)message.NumberOf("a function's first line"); break;
                }
            ids.Add(id, i, places[i]);
            functions[i] = new FunctionEntry(name, systemName, fileName, startLine);
        }
        return (functions, ids);
    }

    private (LocationEntry[] Locations, LineEntry[] Lines) ReadLocations(List<int> places, IdTable mappingIds, IdTable functionIds)
    {
        var locations = new LocationEntry[places.Count];
        var lines = new List<LineEntry>(places.Count);
        for (var i = 0; i < locations.Length; i++)
        {
            var (id, address, mapping, firstLine) = (0UL, 0UL, -1, lines.Count);
            var message = MessageAt(places[i]);
            while (message.Next())
                switch (message.Field)
                {
                    case 1: id = message.NumberOf("a location's id"); break;
                    // A mapping that is not there is none, as pprof has it.
                    case 2: mapping = mappingIds.IndexOf(message.NumberOf("a location's mapping")); break;
                    case 3: address = message.NumberOf("a location's address"); break;
                    case 4: lines.Add(ReadLine(message.MessageOf("a line"), functionIds)); break;
                }
            LocationIds.Add(id, i, places[i]);
            locations[i] = new LocationEntry(address, mapping, firstLine, lines.Count - firstLine);
        }
        return (locations, [.. lines]);
    }

    private static LineEntry ReadLine(ProtoReader message, IdTable functionIds)
    {
        var (function, line) = (-1, 0L);
        while (message.Next())
            switch (message.Field)
            {
                case 1:
                    var id = message.NumberOf("a line's function");
                    function = functionIds.IndexOf(id);
                    if (function < 0 && id != 0)
                        throw new ProfileFormatException($"a line is in function {id}, which the profile does not have", message.FieldStart);
                    break;
                case 2:
                    line = (long)message.NumberOf("a line's number");
                    break;
            }
        return new LineEntry(function, (int)Math.Clamp(line, 0, int.MaxValue));
    }

    private void ReadHeader()
    {
        var (dropFrames, keepFrames, defaultSampleType, docUrl) = (0, 0, 0, 0);
        var comments = new List<int>();
        var reader = new ProtoReader(Data, 0, _length);
        while (reader.Next())
            switch (reader.Field)
            {
                case 7: dropFrames = StringIndex(reader, "drop_frames"); break;
                case 8: keepFrames = StringIndex(reader, "keep_frames"); break;
                case 9 when TimeNanos != 0:
                    throw new ProfileFormatException("here a second profile begins: the file is several, one after the other", reader.FieldStart);
                case 9: TimeNanos = (long)reader.NumberOf("the time"); break;
                case 10: DurationNanos = (long)reader.NumberOf("the duration"); break;
                case 11: PeriodType = ReadSampleType(reader.MessageOf("the period's type")); break;
                case 12: Period = (long)reader.NumberOf("the period"); break;
                case 13 when reader.WireType == ProtoReader.Bytes:
                    var packed = reader.MessageOf("the comments");
                    while (!packed.AtEnd)
                        AddComment(packed.ReadVarint(), reader.FieldStart);
                    break;
                case 13: AddComment(reader.NumberOf("a comment"), reader.FieldStart); break;
                case 14: defaultSampleType = StringIndex(reader, "the default sample type"); break;
                case 15: docUrl = StringIndex(reader, "the doc_url"); break;
            }
        (DropFrames, KeepFrames, DocUrl) = (ShortStringAt(dropFrames, _length), ShortStringAt(keepFrames, _length), ShortStringAt(docUrl, _length));
        Comments = comments.ConvertAll(comment => ShortStringAt(comment, _length));
        DefaultSampleType = ShortStringAt(defaultSampleType, _length);
        DefaultSampleIndex = SampleTypes.Count - 1;
        for (var i = SampleTypes.Count - 1; i >= 0 && defaultSampleType != 0; i--)
            if (SampleTypes[i].Type == DefaultSampleType)
                DefaultSampleIndex = i;

        void AddComment(ulong index, int offset)
        {
            if (index >= (ulong)_strings.Length)
                throw new ProfileFormatException($"a comment is string {index} of a table of {_strings.Length}", offset);
            if (comments.Count == 1024)
                throw new ProfileFormatException("there are more than 1024 comments", offset);
            comments.Add((int)index);
        }
    }

    /// <summary>For what may name the same string again and again: a few bytes must not become gigabytes.</summary>
    private string ShortStringAt(int index, int offset) =>
        _strings[index].Length <= 64 << 10
            ? StringAt(index)
            : throw new ProfileFormatException($"a name or comment of {_strings[index].Length} bytes is too long", offset);

    private void CheckSamples()
    {
        var frames = 0L;
        var samples = Samples();
        while (samples.Next())
        {
            foreach (var location in samples.Locations)
                frames += Math.Max(1, Locations[location].LineCount);
            if (frames > MaxFrames)
                throw new ProfileFormatException($"the samples stand for more than {MaxFrames} frames", SampleOffsets[samples.Count - 1]);
            samples.CheckLabels();
        }
    }
}
