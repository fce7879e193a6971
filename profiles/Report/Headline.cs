using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Profiles.Report;

/// <summary>The one sentence that somebody at three in the morning should read.</summary>
internal static class Headline
{
    // Below this no function is the culprit, and naming one would mislead.
    private const double WorthNaming = 10;

    internal static string Of(ReportData data)
    {
        var heap = data.Tables.FirstOrDefault(table => table.Type == nameof(CaptureType.Heap));
        var first = heap ?? (data.Tables is [var one, ..] ? one : null);
        if (first is { } report && Largest(report.Table) is { } largest)
            return Sentence(report.Table, largest) + Age(report.BaselineAt, data.Record);
        if (data.Record.Memory is { IsMostlyOutsideHeap: true, OutsideHeapBytes: { } outside, WorkingSetBytes: var used })
            return $"{Quantity.ForPeople(outside)} of {Quantity.ForPeople(used)} are held outside of the managed heap, by native code: the types of the heap do not tell by what";
        if (data.Types is { Rows: [var type, ..], Bytes: > 0 } types)
            return TypeSection.Headline(types, type) + Age(data.TypesBaselineAt, data.Record);
        if (data.Record.Top is [var top, ..])
            return string.Create(CultureInfo.InvariantCulture, $"{top.FlatPercent:0.#} % of live heap is held by {top.Name}");
        return data.Record.Artifacts.FirstOrDefault(artifact => artifact.Type == nameof(CaptureType.Heap)) is { IsComplete: false } failed
            ? $"No heap profile: {failed.Error ?? failed.Reason ?? "it is not whole"}"
            : $"Captured when {data.Record.Trigger.Name} fired";
    }

    /// <summary>What a table is about.</summary>
    internal static string Title(ReportTable report) => report.Table.SampleType.Type switch
    {
        "inuse_space" => "What holds the live heap",
        "inuse_objects" => "What holds the live objects",
        "alloc_space" => "What was allocated since the start",
        "alloc_objects" => "What objects were allocated since the start",
        "cpu" => "What spends the CPU time",
        "goroutine" => "Where the goroutines are",
        var other => $"{report.Type}: {other}",
    };

    private static string Age(DateTimeOffset? baselineAt, CaptureRecord record) =>
        baselineAt is { } at ? $", {ReportPage.Took(record.Trigger.At - at)} before {record.Trigger.Name}" : "";

    private static TopRow? Largest(TopTable table) => table.Rows.Count == 0 ? null : table.Rows.MaxBy(row => row.Flat);

    private static string Sentence(TopTable table, TopRow largest)
    {
        var (whole, verb) = table.SampleType.Type switch
        {
            "inuse_space" => ("live heap", "held by"),
            "inuse_objects" => ("live objects", "held by"),
            "alloc_space" => ("all memory allocated", "from"),
            "cpu" => ("CPU time", "spent in"),
            "goroutine" => ("all goroutines", "in"),
            var other => (other, "in"),
        };
        var share = largest.FlatPercent.ToString("0.#", CultureInfo.InvariantCulture);
        return largest.FlatPercent < WorthNaming
            ? $"No function stands out: the largest share of {whole}, {share} %, is {verb} {largest.Name}"
            : $"{share} % of {whole} is {verb} {largest.Name}";
    }
}
