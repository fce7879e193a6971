using Microsoft.Extensions.Logging;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Pprof;
using Premortem.Profiles.Report;
using Premortem.Sidecar.Hosting;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Records;

/// <summary>The top tables of what was captured, for the report and the record.</summary>
internal static class ProfileTables
{
    /// <summary>
    /// A profile that is larger than this when unpacked is left to <c>premortem top</c>, on a machine with more room: here every byte
    /// counts against the pod.
    /// </summary>
    internal const long MaxBytes = 24L << 20;

    /// <summary>A difference holds both profiles and what is made of them at once.</summary>
    internal const long MaxBytesOfEach = 6L << 20;

    /// <summary>A profile in memory, and what is made of it, are at most so many times its bytes; so many times for a difference.</summary>
    private const int RoomForOne = 3;
    private const int RoomForDifference = 8;

    /// <summary>What <see cref="CaptureRecord.TopFrom"/> says where the newest baseline stands in for the heap.</summary>
    internal const string FromBaseline = "baseline";

    private const string HeapSuffix = "heap.nettrace.gz";

    private const int MaxTop = 5;

    /// <summary>A baseline that is younger than this has little to be compared with; an older one is taken where there is one.</summary>
    private static readonly TimeSpan WorthComparing = TimeSpan.FromSeconds(10);

    private static readonly CaptureType[] Types = [CaptureType.Heap, CaptureType.Cpu];

    /// <param name="room">How much more memory this program may take; null: as much as it likes.</param>
    public static IReadOnlyList<ReportTable> Read(SpooledCapture capture, long? room, ILogger log)
    {
        var most = Math.Min(MaxBytes, room / RoomForOne ?? MaxBytes);
        var tables = new List<ReportTable>();
        foreach (var type in Types)
            if (Captured(capture.Record, type) is { } artifact && Read(capture, log, artifact.Key, type, most) is { } table)
                tables.Add(new ReportTable(type.ToString(), table));
        if (!tables.Exists(table => table.Type == nameof(CaptureType.Heap)) && Baselines(capture.Record, IsPprof) is [var newest, ..] && Read(capture, log, newest.Key, CaptureType.Heap, most) is { } stand)
            tables.Insert(0, new ReportTable(nameof(CaptureType.Heap), stand) { BaselineAt = newest.TakenAt });
        return tables;
    }

    /// <summary>The types that hold the heap of a .NET target; null where they were not counted.</summary>
    public static TypeTable? ReadTypes(SpooledCapture capture, ILogger log)
    {
        if (capture.Record.Artifacts.FirstOrDefault(artifact => artifact is { Key: ArtifactKeys.Types, HasFile: true }) is not { Key: var key })
            return null;
        try
        {
            using var file = File.OpenRead(capture.PathOf(key));
            return TypesFile.Read(file);
        }
        catch (Exception e) when (e is ProfileFormatException or IOException)
        {
            Log.NoTable(log, capture.Record.Target.Container, nameof(CaptureType.Heap), e.Message);
            return null;
        }
    }

    /// <summary>What the newest baseline of a .NET target tells that has anything to tell, for where nothing was captured; null: there is none, or none that can be read.</summary>
    public static (TypeTable Types, Artifact Baseline)? ReadBaselineTypes(SpooledCapture capture, ILogger log)
    {
        // A program that was idle has allocated nothing, and the baseline before tells more.
        foreach (var baseline in Baselines(capture.Record, IsTypes))
            if (ReadStream(capture, baseline.Key, log) is { Objects: > 0 } types)
                return (types, baseline);
        return null;
    }

    /// <summary>Which types have grown since a baseline, or between two of them where the kill came first. Only heaps are compared.</summary>
    public static ReportTypeGrowth? ReadTypeGrowth(SpooledCapture capture, ILogger log)
    {
        var baselines = Baselines(capture.Record, artifact => IsTypes(artifact) && artifact.Key.EndsWith(HeapSuffix, StringComparison.Ordinal));
        if (baselines.Count == 0)
            return null;
        TypeTable? later;
        DateTimeOffset until;
        string file;
        if (capture.Record.Artifacts.FirstOrDefault(artifact => artifact is { Key: ArtifactKeys.Types, HasFile: true }) is { } captured)
            (later, until, file) = (ReadTypes(capture, log), captured.CompletedAt ?? capture.Record.StartedAt, captured.Key);
        else
        {
            (later, until, file) = (ReadStream(capture, baselines[0].Key, log), baselines[0].TakenAt!.Value, baselines[0].Key);
            baselines.RemoveAt(0);
        }
        if (later is not { Measure: TypeTable.LiveObjects } || baselines.Count == 0)
            return null;
        var since = ToCompareWith(baselines, until);
        return ReadStream(capture, since.Key, log) is { Measure: TypeTable.LiveObjects, IsPartial: false } before
            ? new ReportTypeGrowth(later.Since(before), later.IsPartial, since.TakenAt!.Value, until, since.Key, file)
            : null;
    }

    /// <summary>The types that a .NET runtime's stream tells of: counted again, in memory that does not depend on how many objects it has.</summary>
    private static TypeTable? ReadStream(SpooledCapture capture, string key, ILogger log)
    {
        try
        {
            using var file = File.OpenRead(capture.PathOf(key));
            return ProfileContent.Read(file) is ProfileContent.Types { Table: var table } ? table : null;
        }
        catch (Exception e) when (e is ProfileFormatException or IOException)
        {
            Log.NoTable(log, capture.Record.Target.Container, key, e.Message);
            return null;
        }
    }

    /// <summary>What has grown since a baseline, or between two of them where the kill came first.</summary>
    /// <param name="room">As for <see cref="Read(SpooledCapture, long?, ILogger)"/>.</param>
    public static ReportGrowth? ReadGrowth(SpooledCapture capture, long? room, ILogger log)
    {
        var heap = Captured(capture.Record, CaptureType.Heap);
        var baselines = Baselines(capture.Record, IsPprof);
        if (heap is null && baselines.Count > 0)
        {
            heap = baselines[0];
            baselines.RemoveAt(0);
        }
        if (heap is null || (heap.TakenAt ?? heap.CompletedAt) is not { } until || baselines.Count == 0)
            return null;
        var since = ToCompareWith(baselines, until);
        try
        {
            var most = Math.Min(MaxBytesOfEach, room / RoomForDifference ?? MaxBytesOfEach);
            var options = new TopOptions { Base = PprofProfile.ReadFile(capture.PathOf(since.Key), most), NodeFraction = 0 };
            return new ReportGrowth(
                TopTable.Of(PprofProfile.ReadFile(capture.PathOf(heap.Key), most), options), since.TakenAt!.Value, until, since.Key, heap.Key);
        }
        catch (Exception e) when (e is ProfileFormatException or ArgumentException or IOException)
        {
            Log.NoTable(log, capture.Record.Target.Container, "what has grown", e.Message);
            return null;
        }
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

    private static TopTable? Read(SpooledCapture capture, ILogger log, string key, CaptureType type, long most)
    {
        try
        {
            return TopTable.Of(PprofProfile.ReadFile(capture.PathOf(key), most));
        }
        catch (Exception e) when (e is ProfileFormatException or IOException)
        {
            Log.NoTable(log, capture.Record.Target.Container, type.ToString(), e.Message);
            return null;
        }
    }

    private static Artifact? Captured(CaptureRecord record, CaptureType type) =>
        record.Artifacts.FirstOrDefault(artifact => artifact.Type == type.ToString() && artifact.IsComplete && IsPprof(artifact));

    /// <summary>Newest first.</summary>
    private static List<Artifact> Baselines(CaptureRecord record, Func<Artifact, bool> isWanted) =>
        [.. record.Artifacts
            .Where(artifact => artifact is { Type: ArtifactKeys.Baseline, IsComplete: true, TakenAt: not null } && isWanted(artifact))
            .OrderByDescending(artifact => artifact.TakenAt)];

    /// <summary>The newest that is old enough, else the oldest.</summary>
    private static Artifact ToCompareWith(List<Artifact> newestFirst, DateTimeOffset until) =>
        newestFirst.Find(baseline => until - baseline.TakenAt >= WorthComparing) ?? newestFirst[^1];

    private static bool IsTypes(Artifact artifact) =>
        artifact.Key.EndsWith(HeapSuffix, StringComparison.Ordinal) || artifact.Key.EndsWith("allocations.nettrace", StringComparison.Ordinal);

    // What a .NET runtime gave is no pprof profile.
    private static bool IsPprof(Artifact artifact) => artifact.Key.EndsWith(".pb.gz", StringComparison.Ordinal);
}
