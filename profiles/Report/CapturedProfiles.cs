using System.Text.Json;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Findings;
using Premortem.Profiles.GoGc;
using Premortem.Profiles.Graphs;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Pprof;

namespace Premortem.Profiles.Report;

/// <summary>What the profiles of a capture have for its page and its record.</summary>
/// <param name="record">What was captured.</param>
/// <param name="pathOf">Where a file of the capture lies.</param>
/// <param name="readBounds">How large a profile may be, asked before each.</param>
/// <param name="passedOver">Told what could not be read, and why.</param>
public sealed class CapturedProfiles(CaptureRecord record, Func<string, string> pathOf, Func<ReportBounds> readBounds, Action<string, string> passedOver)
{
    /// <summary>What <see cref="CaptureRecord.TopFrom"/> says where the newest baseline stands in for the heap.</summary>
    public const string FromBaseline = "baseline";

    /// <summary>Each sample type takes a walk of its own: of what is larger, only the one that matters is drawn, and the page is there in seconds.</summary>
    private const int MostBytesOfEveryType = 16 << 20;

    /// <summary>What the sidecar writes is a quarter of it at most.</summary>
    private const int MostProcessBytes = 1 << 20;

    /// <summary>What the operator gives is a quarter of it at most.</summary>
    private const int MostCollectionBytes = 4 << 20;

    private const string HeapSuffix = "heap.nettrace.gz";
    private const string DumpSuffix = ".dmp.gz";

    private const int MaxTop = 5;

    /// <summary>More do not fit on a screen, and say little more.</summary>
    private const int NodesOfGraph = 40;

    private const int RetainedTypes = 12;
    private const int PathsOfEach = 3;

    /// <summary>A baseline that is younger than this has little to be compared with; an older one is taken where there is one.</summary>
    private static readonly TimeSpan WorthComparing = TimeSpan.FromSeconds(10);

    private static readonly CaptureType[] Types = [CaptureType.Heap, CaptureType.Cpu];

    private readonly List<ReportFlame> _flames = [];
    private readonly List<(string Title, CallGraph Graph)> _graphs = [];
    private readonly List<HeapPoint> _heaps = [];

    private string? _flamesLeftOut;

    /// <summary>Reads the heap in the dump that lies at a path. Null: nobody can, as where the runtime's own library is not at hand.</summary>
    /// <exception cref="IOException">Thrown by it: the dump cannot be read.</exception>
    public Func<string, HeapGraph>? DumpReader { get; init; }

    /// <summary>The page, but for what memory did and what thresholds there are, which no profile knows.</summary>
    public ReportData ReadPage()
    {
        var tables = ReadTables();
        var types = ReadTypes();
        var dump = types is null ? ReadDump() : null;
        types ??= dump?.Graph.ToTable();
        // A dump of the heap that nobody reads here has no table, and tells more than what was there before it.
        var stand = types is null && !tables.Exists(IsOfHeap) && !record.Artifacts.Any(artifact => artifact is { Type: nameof(CaptureType.Heap), IsComplete: true })
            ? ReadBaselineTypes()
            : null;
        var growth = ReadGrowth();
        ReadEarlierHeaps();
        return new ReportData
        {
            Record = record,
            Tables = tables,
            Types = types ?? stand?.Types,
            TypesBaselineAt = stand?.Baseline.TakenAt,
            TypesFile = dump?.Key ?? stand?.Baseline.Key ?? ArtifactKeys.Types,
            Retention = dump is { } read ? RetentionOf(read.Graph, read.Key) : ReadRetention(),
            Growth = growth,
            TypeGrowth = ReadTypeGrowth(),
            Goroutines = ReadGoroutines(),
            Collections = ReadCollections(),
            Process = ReadProcess(),
            Heaps = _heaps,
            Flames = _flames,
            Graphs = _graphs,
            FlamesLeftOut = _flamesLeftOut,
        };
    }

    /// <summary>The top tables, the heap's first.</summary>
    private List<ReportTable> ReadTables()
    {
        var tables = new List<ReportTable>();
        foreach (var type in Types)
            if (Captured(type) is { } artifact && ReadTable(artifact, type) is { } table)
                tables.Add(table);
        if (!tables.Exists(IsOfHeap) && Baselines(IsHeap) is [var newest, ..] && ReadTable(newest, CaptureType.Heap) is { } stand)
            tables.Insert(0, stand with { BaselineAt = newest.TakenAt });
        return tables;
    }

    /// <summary>The totals of the heap profiles that were taken before, for the findings.</summary>
    private void ReadEarlierHeaps()
    {
        foreach (var baseline in Baselines(IsHeap))
            if (!_heaps.Exists(heap => heap.File == baseline.Key))
                Try(baseline.Key, () =>
                {
                    AddHeap(PprofProfile.ReadFile(pathOf(baseline.Key), readBounds().DifferenceBytes), baseline);
                    return baseline;
                });
    }

    /// <summary>Where the goroutines stand; null: they were not captured.</summary>
    private GoroutineGroups? ReadGoroutines()
    {
        if (Captured(CaptureType.Goroutine) is not { } captured || Try(captured.Key, () => GoroutineGroups.Of(PprofProfile.ReadFile(pathOf(captured.Key), readBounds().DifferenceBytes), captured.Key)) is not { } groups)
            return null;
        var before = Baselines(artifact => artifact.Key.EndsWith("goroutine.pb.gz", StringComparison.Ordinal)).FirstOrDefault();
        return before is not null && Try(before.Key, () => GoroutineGroups.Of(PprofProfile.ReadFile(pathOf(before.Key), readBounds().DifferenceBytes), before.Key)) is { } earlier
            ? groups with { Before = earlier.Total, BeforeFile = before.Key }
            : groups;
    }

    private IReadOnlyList<GcCycle> ReadCollections()
    {
        if (record.Artifacts.FirstOrDefault(artifact => artifact is { Key: ArtifactKeys.GoCollections, IsComplete: true }) is not { Key: var key })
            return [];
        return Try(key, () =>
        {
            using var file = File.OpenRead(pathOf(key));
            return file.Length <= MostCollectionBytes ? GcTraceLog.Read(file).Cycles : throw new IOException($"it has {file.Length} bytes, and at most {MostCollectionBytes} are read");
        }) ?? [];
    }

    private JsonElement? ReadProcess()
    {
        if (record.Artifacts.FirstOrDefault(artifact => artifact is { Type: nameof(CaptureType.Process), IsComplete: true }) is not { Key: var key })
            return null;
        using var document = Try(key, () =>
        {
            using var file = File.OpenRead(pathOf(key));
            return file.Length <= MostProcessBytes ? JsonDocument.Parse(file) : throw new IOException($"it has {file.Length} bytes, and at most {MostProcessBytes} are read");
        });
        return document?.RootElement.Clone();
    }

    /// <summary>The types that hold the heap of a .NET target; null where they were not counted.</summary>
    public TypeTable? ReadTypes()
    {
        if (record.Artifacts.FirstOrDefault(artifact => artifact is { Key: ArtifactKeys.Types, HasFile: true }) is not { Key: var key })
            return null;
        return Try(key, () =>
        {
            using var file = File.OpenRead(pathOf(key));
            return TypesFile.Read(file);
        });
    }

    /// <summary>What holds a .NET heap, and its flame graph; null: it was not captured, or there is no room for its objects.</summary>
    private ReportRetention? ReadRetention()
    {
        if (record.Artifacts.FirstOrDefault(artifact => artifact is { Type: nameof(CaptureType.Heap), HasFile: true } && artifact.Key.EndsWith(HeapSuffix, StringComparison.Ordinal)) is not { Key: var key }
            || !readBounds().IsWhole)
            return null;
        return Try(key, () =>
        {
            using var file = File.OpenRead(pathOf(key));
            return ProfileContent.Read(file, withGraph: true) is ProfileContent.Heap { Graph: { Objects: > 0 } graph } ? RetentionOf(graph, key) : null;
        });
    }

    private ReportRetention RetentionOf(HeapGraph graph, string key)
    {
        if (ReportFlame.Of($"{key}: who holds it", graph.ToProfile()) is { } flame)
            _flames.Insert(0, flame);
        return new ReportRetention(graph.Retention(RetainedTypes, PathsOfEach), graph.BytesByRoot(), graph.IsPartial, key);
    }

    /// <summary>The heap in a dump that was captured; null: there is none, or nobody to read it.</summary>
    private (HeapGraph Graph, string Key)? ReadDump()
    {
        if (DumpReader is not { } reader || record.Artifacts.FirstOrDefault(artifact => artifact.IsComplete && artifact.Key.EndsWith(DumpSuffix, StringComparison.Ordinal)) is not { Key: var key })
            return null;
        return Try(key, () => reader(pathOf(key))) is { Objects: > 0 } graph ? (graph, key) : null;
    }

    /// <summary>What the newest baseline of a .NET target tells that has anything to tell, for where nothing was captured; null: there is none, or none that can be read.</summary>
    private (TypeTable Types, Artifact Baseline)? ReadBaselineTypes()
    {
        // A program that was idle has allocated nothing, and the baseline before tells more.
        foreach (var baseline in Baselines(IsTypes))
            if (ReadStream(baseline.Key) is { Objects: > 0 } types)
                return (types, baseline);
        return null;
    }

    /// <summary>Which types have grown since a baseline, or between two of them where the kill came first. Only heaps are compared.</summary>
    private ReportTypeGrowth? ReadTypeGrowth()
    {
        var baselines = Baselines(artifact => IsTypes(artifact) && artifact.Key.EndsWith(HeapSuffix, StringComparison.Ordinal));
        if (baselines.Count == 0)
            return null;
        TypeTable? later;
        DateTimeOffset until;
        string file;
        if (record.Artifacts.FirstOrDefault(artifact => artifact is { Key: ArtifactKeys.Types, HasFile: true }) is { } captured)
            (later, until, file) = (ReadTypes(), captured.CompletedAt ?? record.StartedAt, captured.Key);
        else
        {
            (later, until, file) = (ReadStream(baselines[0].Key), baselines[0].TakenAt!.Value, baselines[0].Key);
            baselines.RemoveAt(0);
        }
        if (later is not { Measure: TypeTable.LiveObjects } || baselines.Count == 0)
            return null;
        var since = ToCompareWith(baselines, until);
        return ReadStream(since.Key) is { Measure: TypeTable.LiveObjects, IsPartial: false } before
            ? new ReportTypeGrowth(later.Since(before), later.IsPartial, since.TakenAt!.Value, until, since.Key, file)
            : null;
    }

    /// <summary>The types that a .NET runtime's stream tells of: counted again, in memory that does not depend on how many objects it has.</summary>
    private TypeTable? ReadStream(string key) => Try(key, () =>
    {
        using var file = File.OpenRead(pathOf(key));
        return ProfileContent.Read(file) is ProfileContent.Types { Table: var table } ? table : null;
    });

    /// <summary>What has grown since a baseline, or between two of them where the kill came first.</summary>
    private ReportGrowth? ReadGrowth()
    {
        var heap = Captured(CaptureType.Heap);
        var baselines = Baselines(IsHeap);
        if (heap is null && baselines.Count > 0)
        {
            heap = baselines[0];
            baselines.RemoveAt(0);
        }
        if (heap is null || (heap.TakenAt ?? heap.CompletedAt) is not { } until || baselines.Count == 0)
            return null;
        var since = ToCompareWith(baselines, until);
        return Try("what has grown", () =>
        {
            var bounds = readBounds();
            var earlier = PprofProfile.ReadFile(pathOf(since.Key), bounds.DifferenceBytes);
            var later = PprofProfile.ReadFile(pathOf(heap.Key), bounds.DifferenceBytes);
            var options = new TopOptions { Base = earlier, NodeFraction = 0 };
            if (bounds.IsWhole && ReportFlame.Of($"{heap.Key} and {since.Key}: {later.SampleTypes[later.SampleIndex(null)].Type}", later, options) is { } flame)
                _flames.Insert(Math.Min(1, _flames.Count), flame);
            return new ReportGrowth(TopTable.Of(later, options), since.TakenAt!.Value, until, since.Key, heap.Key);
        });
    }

    /// <summary>The types that hold most of the heap; where the heap is the lesser part of memory, shares are those of all memory.</summary>
    public static IReadOnlyList<TopEntry> TopOf(TypeTable? types, MemoryAtTrigger memory)
    {
        var isOutside = memory.IsMostlyOutsideHeap;
        var whole = isOutside ? memory.WorkingSetBytes : types?.Bytes ?? 0;
        var top = types?.Rows.Where(row => row.Bytes > 0).Select(row => Entry(row.Name, row.Bytes, whole)) ?? [];
        return [.. (isOutside ? top.Prepend(Entry(Names.OutsideHeap, memory.OutsideHeapBytes!.Value, whole)) : top).Take(MaxTop)];
    }

    private static TopEntry Entry(string name, long bytes, long whole) => new(name, bytes, Math.Round(bytes * 100.0 / whole, 2));

    /// <summary>The functions that hold most of the heap themselves.</summary>
    public static IReadOnlyList<TopEntry> TopOf(IReadOnlyList<ReportTable> tables)
    {
        if (tables.FirstOrDefault(table => table.Type == nameof(CaptureType.Heap))?.Table is not { Total: > 0 } heap)
            return [];
        return [.. heap.Rows
            .Where(row => row.Flat > 0)
            .OrderByDescending(row => row.Flat)
            .Take(MaxTop)
            .Select(row => Entry(row.Name, row.Flat, heap.Total))];
    }

    /// <summary>Whether the top is from a baseline; null: from the heap, or there is none.</summary>
    public static string? TopFrom(IReadOnlyList<ReportTable> tables) =>
        tables.Any(table => table is { Type: nameof(CaptureType.Heap), BaselineAt: not null, Table.Total: > 0 }) ? FromBaseline : null;

    private ReportTable? ReadTable(Artifact artifact, CaptureType type) => Try(artifact.Key, () =>
    {
        var bounds = readBounds();
        var profile = ReadProfile(artifact, bounds);
        AddHeap(profile, artifact);
        if (profile.Data.Length > bounds.FlameBytes)
        {
            _flamesLeftOut = $"{artifact.Key} is too large for its stacks to be drawn in the pod; 'premortem report' makes a page with them of the capture's folder.";
            return new ReportTable(type.ToString(), TopTable.Of(profile)) { File = artifact.Key };
        }
        // On a machine with room, both walk the samples at the same time.
        var whole = bounds.IsWhole ? Task.Run(() => Flames(profile, artifact.Key, isWhole: true, only: null)) : null;
        var (table, graph) = CallGraph.WithTable(profile, NodesOfGraph);
        if (graph.Edges.Count > 0)
            _graphs.Add(($"{artifact.Key}: {table.SampleType.Type}", graph));
        // What a function's table leaves out has no box that could be seen: stacks end there, and little is held at a time.
        _flames.AddRange(whole?.GetAwaiter().GetResult() ?? Flames(profile, artifact.Key, isWhole: false, table.Rows.Select(row => row.Name).ToHashSet(StringComparer.Ordinal)));
        return new ReportTable(type.ToString(), table) { File = artifact.Key };
    });

    /// <summary>A pprof profile, or the CPU samples of a .NET program, which are made into one.</summary>
    private PprofProfile ReadProfile(Artifact artifact, ReportBounds bounds)
    {
        if (IsPprof(artifact))
            return PprofProfile.ReadFile(pathOf(artifact.Key), bounds.ProfileBytes);
        using var file = File.OpenRead(pathOf(artifact.Key));
        return ProfileContent.Read(file) is ProfileContent.Functions { Profile: var profile } ? profile : throw new IOException("it has no stacks");
    }

    /// <summary>Of the default sample type first; of the others where they are worth the time.</summary>
    private static List<ReportFlame> Flames(PprofProfile profile, string file, bool isWhole, HashSet<string>? only)
    {
        var first = profile.SampleTypes[profile.SampleIndex(null)].Type;
        var others = isWhole && profile.Data.Length <= MostBytesOfEveryType ? profile.SampleTypes.Select(type => type.Type).Where(IsWorthDrawing).Distinct().Where(type => type != first) : [];
        var flames = new List<ReportFlame>();
        foreach (var name in others.Prepend(first))
            if (ReportFlame.Of($"{file}: {name}", profile, new TopOptions { SampleIndex = name }, only) is { } flame)
                flames.Add(flame);
        return flames;

        static bool IsWorthDrawing(string type) => type is "inuse_space" or "alloc_space" or "cpu";
    }

    private void AddHeap(PprofProfile profile, Artifact artifact)
    {
        if ((artifact.TakenAt ?? artifact.CompletedAt) is { } at && HeapPoint.Of(profile, at, artifact.Key) is { } heap)
            _heaps.Add(heap);
    }

    /// <summary>What cannot be read is passed over: the page is made of what can.</summary>
    private T? Try<T>(string what, Func<T?> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is ProfileFormatException or JsonException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            passedOver(what, e.Message);
            return null;
        }
    }

    private Artifact? Captured(CaptureType type) =>
        record.Artifacts.FirstOrDefault(artifact => artifact.Type == type.ToString() && artifact.IsComplete && (IsPprof(artifact) || (IsSamples(artifact) && readBounds().IsWhole)));

    /// <summary>Newest first.</summary>
    private List<Artifact> Baselines(Func<Artifact, bool> isWanted) =>
        [.. record.Artifacts
            .Where(artifact => artifact is { Type: ArtifactKeys.Baseline, IsComplete: true, TakenAt: not null } && isWanted(artifact))
            .OrderByDescending(artifact => artifact.TakenAt)];

    /// <summary>The newest that is old enough, else the oldest.</summary>
    private static Artifact ToCompareWith(List<Artifact> newestFirst, DateTimeOffset until) =>
        newestFirst.Find(baseline => until - baseline.TakenAt >= WorthComparing) ?? newestFirst[^1];

    private static bool IsOfHeap(ReportTable table) => table.Type == nameof(CaptureType.Heap);

    private static bool IsTypes(Artifact artifact) =>
        artifact.Key.EndsWith(HeapSuffix, StringComparison.Ordinal) || artifact.Key.EndsWith("allocations.nettrace", StringComparison.Ordinal);

    // What a .NET runtime gave is no pprof profile.
    private static bool IsPprof(Artifact artifact) => artifact.Key.EndsWith(".pb.gz", StringComparison.Ordinal);

    private static bool IsSamples(Artifact artifact) => artifact.Type == nameof(CaptureType.Cpu) && artifact.Key.Contains(".nettrace", StringComparison.Ordinal);

    private static bool IsHeap(Artifact artifact) => artifact.Key.EndsWith("heap.pb.gz", StringComparison.Ordinal);
}
