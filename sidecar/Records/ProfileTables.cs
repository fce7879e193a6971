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

    private const int MaxTop = 5;

    private static readonly CaptureType[] Types = [CaptureType.Heap, CaptureType.Cpu];

    public static IReadOnlyList<ReportTable> Read(SpooledCapture capture, ILogger log)
    {
        var tables = new List<ReportTable>();
        foreach (var type in Types)
        {
            // What a .NET runtime gave is no pprof profile.
            if (capture.Record.Artifacts.FirstOrDefault(artifact => artifact.Type == type.ToString() && artifact.IsComplete) is not { Key: var key } || !key.EndsWith(".pb.gz", StringComparison.Ordinal))
                continue;
            try
            {
                tables.Add(new ReportTable(type.ToString(), TopTable.Of(PprofProfile.ReadFile(capture.PathOf(key), MaxBytes))));
            }
            catch (Exception e) when (e is ProfileFormatException or IOException)
            {
                Log.NoTable(log, capture.Record.Target.Container, type.ToString(), e.Message);
            }
        }
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

    /// <summary>The types that hold most of the heap.</summary>
    public static IReadOnlyList<TopEntry> TopOf(TypeTable? types) => types is not { Bytes: > 0 }
        ? []
        : [.. types.Rows.Take(MaxTop).Where(row => row.Bytes > 0).Select(row => new TopEntry(row.Name, row.Bytes, Math.Round(row.Bytes * 100.0 / types.Bytes, 2)))];

    /// <summary>The functions that hold most of the heap themselves.</summary>
    public static IReadOnlyList<TopEntry> TopOf(IReadOnlyList<ReportTable> tables)
    {
        if (tables.FirstOrDefault(table => table.Type == nameof(CaptureType.Heap))?.Table is not { Total: > 0 } heap)
            return [];
        return [.. heap.Rows
            .Where(row => row.Flat > 0)
            .OrderByDescending(row => row.Flat)
            .Take(MaxTop)
            .Select(row => new TopEntry(row.Name, row.Flat, Math.Round(row.Flat * 100.0 / heap.Total, 2)))];
    }
}
