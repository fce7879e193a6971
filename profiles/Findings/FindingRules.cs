using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.GoGc;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Report;

namespace Premortem.Profiles.Findings;

/// <summary>
/// What a capture's figures say, by rule: each holds its figures against bounds that docs/reference/report.md states, and says nothing
/// where they do not reach. Most worth knowing first.
/// </summary>
public static class FindingRules
{
    private const long Mib = 1 << 20;

    // Below this no function or type is the culprit, and naming one would mislead.
    private const double HolderPercent = 10;
    private const double RootPercent = 50;
    private const double GrowthPercent = 50;
    private const long GrowthBytes = 1 * Mib;
    private const int LeakLooks = 3;
    private const int LeakCollections = 6;
    private const double LeakRise = 0.10;
    private const double ChurnFlat = 0.10;
    private const double ChurnTurnover = 4;
    private const long ChurnBytes = 64 * Mib;
    private const int GoroutineFactor = 4;
    private const long ManyGoroutines = 1000;
    private const double GoroutinePercent = 80;
    private const double CacheShare = 0.25;
    private const long CacheBytes = 32 * Mib;
    private const int BesideFactor = 3;
    private const long BesideBytes = 96 * Mib;

    private static readonly TimeSpan LeakTime = TimeSpan.FromSeconds(10);

    public static IReadOnlyList<Finding> Of(ReportData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        Finding?[] all =
        [
            OutsideHeap(data), PageCache(data), Holder(data), TypeHolder(data), Root(data), Leak(data) ?? LeakByTrace(data.Collections), LeakByCollections(data), Churn(data),
            Growth(data.Growth), Growth(data.TypeGrowth), Goroutines(data.Goroutines), BesideLiveHeap(data),
        ];
        return [.. all.OfType<Finding>()];
    }

    private static Finding? Holder(ReportData data)
    {
        if (data.Tables.FirstOrDefault(table => table.Type == nameof(CaptureType.Heap)) is not { Table: { Total: > 0, Rows.Count: > 0, SampleType.Type: "inuse_space" } table } report)
            return null;
        var largest = table.Rows.MaxBy(row => row.Flat)!;
        if (largest.FlatPercent < HolderPercent)
            return null;
        var when = report.BaselineAt is { } at ? $", {ReportPage.Took(data.Record.Trigger.At - at)} before {data.Record.Trigger.Name}" : "";
        return new Finding(
            FindingKind.Holder,
            Text($"{largest.FlatPercent:0.#} % of live heap is held by {largest.Name}{when}"),
            $"{(report.File.Length > 0 ? report.File : "the heap profile")}: inuse_space, flat {table.Format(largest.Flat)} of {table.Format(table.Total)}");
    }

    private static Finding? TypeHolder(ReportData data)
    {
        if (data.Types is not { IsOfHeap: true, Bytes: > 0, Rows: [var largest, ..] } types || largest.Bytes * 100.0 / types.Bytes < HolderPercent)
            return null;
        return new Finding(
            FindingKind.Holder,
            Text($"{largest.Bytes * 100.0 / types.Bytes:0.#} % of {types.Whole} is held by {largest.Name}"),
            Text($"{data.TypesFile}: {largest.Objects} objects, {Quantity.ForPeople(largest.Bytes)} of {Quantity.ForPeople(types.Bytes)}"));
    }

    /// <summary>A part of a heap says nothing of what the rest hangs on.</summary>
    private static Finding? Root(ReportData data)
    {
        if (data.Retention is not { IsPartial: false, Bytes: > 0, Roots: [var (root, bytes), ..] } retention || bytes * 100.0 / retention.Bytes < RootPercent || !IsNamed(root))
            return null;
        // The most of it that one path holds: what hangs there.
        var path = retention.Types.SelectMany(type => type.Paths).Where(path => path.Steps is [var first, _, ..] && first == root).MaxBy(path => path.Bytes);
        var way = path is null ? "" : $", by {path.Steps[1]}";
        return new Finding(
            FindingKind.Root,
            Text($"{bytes * 100.0 / retention.Bytes:0.#} % of {(data.Types is { Measure: TypeTable.AllObjects } dumped ? dumped.Whole : "live heap")} hangs on {root}{way}"),
            $"{retention.File}: shortest paths from the roots, {Quantity.ForPeople(bytes)} of {Quantity.ForPeople(retention.Bytes)}");

        // A handle or a stack is no one's in particular.
        static bool IsNamed(string root) => root.StartsWith("static ", StringComparison.Ordinal) || root.StartsWith("thread static ", StringComparison.Ordinal);
    }

    /// <summary>A Go heap profile has what the last collection left: it rose from each look to the next.</summary>
    private static Finding? Leak(ReportData data)
    {
        var heaps = data.Heaps.OrderBy(heap => heap.At).ToList();
        if (heaps is not [{ LiveBytes: > 0 } first, .., var last] || heaps.Count < LeakLooks || last.At - first.At < LeakTime || last.LiveBytes - first.LiveBytes < Mib)
            return null;
        for (var i = 1; i < heaps.Count; i++)
            if (heaps[i].LiveBytes <= heaps[i - 1].LiveBytes)
                return null;
        var rise = (double)(last.LiveBytes - first.LiveBytes) / first.LiveBytes;
        return rise < LeakRise
            ? null
            : LeakOf(rise, first.LiveBytes, last.LiveBytes, last.At - first.At, $"inuse_space of {string.Join(", ", heaps.Select(heap => heap.File))}: it rose from each to the next");
    }

    /// <summary>.NET: what each collection left; the lowest of the last third is above the highest of the first.</summary>
    private static Finding? LeakByCollections(ReportData data)
    {
        var (after, previous) = (new List<(DateTimeOffset At, long Bytes)>(), (long?)null);
        foreach (var point in data.Memory.OrderBy(point => point.At))
        {
            if (point.HeapAfterGcBytes is { } bytes and > 0 && bytes != previous)
                after.Add((point.At, bytes));
            previous = point.HeapAfterGcBytes ?? previous;
        }
        if (after.Count < LeakCollections || after[^1].At - after[0].At < LeakTime)
            return null;
        var third = after.Count / 3;
        var (from, to) = (after.Take(third).Max(point => point.Bytes), after.Skip(after.Count - third).Min(point => point.Bytes));
        var rise = (double)(to - from) / from;
        return rise < LeakRise || to - from < Mib
            ? null
            : LeakOf(rise, from, to, after[^1].At - after[0].At, Text($"{Names.MemoryTimeline}: heap_bytes after {after.Count} collections, the last third's lowest above the first third's highest"));
    }

    /// <summary>
    /// What a Go program told of its collections, where there are too few profiles to tell. The first third may be of a program that starts, and
    /// fills what it needs.
    /// </summary>
    private static Finding? LeakByTrace(IReadOnlyList<GcCycle> cycles)
    {
        if (cycles.Count == 0 || GcSummary.Of(cycles) is not { IsFloorRising: true, Floors: [_, var from, var to] } summary || summary.Over < LeakTime)
            return null;
        var rise = (double)(to - from) / Math.Max(from, Mib);
        return rise < LeakRise
            ? null
            : LeakOf(rise, from, to, summary.Over / 3, Text($"{ArtifactKeys.GoCollections}: the least that was live in the second and in the last third of {summary.Collections} collections"));
    }

    private static Finding LeakOf(double rise, long from, long to, TimeSpan time, string evidence) => new(
        FindingKind.Leak,
        Text($"Live heap after GC rose {rise * 100 / time.TotalMinutes:0.#} %/min: leak ({Quantity.ForPeople(from)} to {Quantity.ForPeople(to)} in {ReportPage.Took(time)})"),
        evidence);

    private static Finding? Churn(ReportData data)
    {
        var heaps = data.Heaps.OrderBy(heap => heap.At).ToList();
        if (heaps is not [{ LiveBytes: > 0 } first, .., var last] || last.At - first.At < LeakTime)
            return null;
        var allocated = last.AllocatedBytes - first.AllocatedBytes;
        if (allocated < ChurnBytes || allocated < last.LiveBytes * ChurnTurnover || Math.Abs((double)last.LiveBytes - first.LiveBytes) > first.LiveBytes * ChurnFlat)
            return null;
        var perSecond = (long)(allocated / (last.At - first.At).TotalSeconds);
        return new Finding(
            FindingKind.Churn,
            $"Allocations are high but live heap is flat: churn, not leak ({Quantity.ForPeople(perSecond)}/s allocated, live heap {Quantity.ForPeople(first.LiveBytes)} to {Quantity.ForPeople(last.LiveBytes)})",
            $"alloc_space and inuse_space of {first.File} and {last.File}, {ReportPage.Took(last.At - first.At)} apart");
    }

    private static Finding? Growth(ReportGrowth? growth)
    {
        if (growth is not { Table: { SampleType.Unit: "bytes", Rows.Count: > 0 } table })
            return null;
        var largest = table.Rows.MaxBy(row => row.Flat)!;
        var all = table.Rows.Where(row => row.Flat > 0).Sum(row => (double)row.Flat);
        return largest.Flat < GrowthBytes || largest.Flat * 100.0 < all * GrowthPercent
            ? null
            : GrowthOf(largest.Name, largest.Flat, all, growth.Until - growth.Since, $"{growth.File} less {growth.Base}: {table.SampleType.Type}, flat");
    }

    private static Finding? Growth(ReportTypeGrowth? growth)
    {
        if (growth is not { Changes.Count: > 0 })
            return null;
        var largest = growth.Changes.MaxBy(change => change.Bytes)!;
        var all = growth.Changes.Where(change => change.Bytes > 0).Sum(change => (double)change.Bytes);
        return largest.Bytes < GrowthBytes || largest.Bytes * 100.0 < all * GrowthPercent
            ? null
            : GrowthOf(largest.Name, largest.Bytes, all, growth.Until - growth.Since, Text($"{growth.File} less {growth.Base}: {largest.Objects:+0;-0;0} objects"));
    }

    private static Finding GrowthOf(string name, long bytes, double all, TimeSpan time, string evidence) => new(
        FindingKind.Growth,
        Text($"{name} grew by {Quantity.ForPeople(bytes)} in {ReportPage.Took(time)}: {bytes * 100 / all:0.#} % of all that has grown since the baseline"),
        evidence);

    private static Finding? Goroutines(GoroutineGroups? goroutines)
    {
        if (goroutines is not { Total: > 0, Places: [var fullest, ..] })
            return null;
        var percent = fullest.Value * 100.0 / goroutines.Total;
        var at = percent >= GoroutinePercent ? Text($", {percent:0.#} % are in {fullest.Key}") : "";
        var evidence = Text($"{goroutines.File}: {goroutines.Total} goroutines, {fullest.Value} in {fullest.Key}");
        if (goroutines.Before is { } before and > 0 && goroutines.Total >= ManyGoroutines / 10 && goroutines.Total / before >= GoroutineFactor)
            return new Finding(
                FindingKind.Goroutines,
                Text($"Goroutines grew {goroutines.Total / (double)before:0.#}× since the baseline, to {goroutines.Total}{at}"),
                evidence + Text($"; {goroutines.BeforeFile}: {before}"));
        return goroutines.Total >= ManyGoroutines && percent >= GoroutinePercent
            ? new Finding(FindingKind.Goroutines, Text($"There are {goroutines.Total} goroutines{at}"), evidence)
            : null;
    }

    private static Finding? PageCache(ReportData data)
    {
        var (memory, at) = (data.Record.Memory, data.Record.Trigger.At);
        // The last look before the trigger knows what of the working set is cache too.
        var look = data.Memory.Where(point => point.At <= at && point.UnreclaimableBytes is not null).MaxBy(point => point.At);
        var (usage, kept) = look is null ? (memory.UsageBytes, memory.WorkingSetBytes) : (look.UsageBytes, look.UnreclaimableBytes!.Value);
        var cache = usage - kept;
        return cache < CacheBytes || cache < usage * CacheShare
            ? null
            : new Finding(
                FindingKind.PageCache,
                $"{Quantity.ForPeople(cache)} of {Quantity.ForPeople(usage)} is page cache and what else the kernel gives back, not heap",
                look is null
                    ? $"{Names.Manifest}: usageBytes less workingSetBytes at the trigger"
                    : $"{Names.MemoryTimeline}: usage_bytes less unreclaimable_bytes, {ReportPage.Took(at - look.At)} before the trigger");
    }

    private static Finding? OutsideHeap(ReportData data) =>
        data.Record.Memory is { IsMostlyOutsideHeap: true, OutsideHeapBytes: { } outside, WorkingSetBytes: var used }
            ? new Finding(
                FindingKind.OutsideHeap,
                $"{Quantity.ForPeople(outside)} of {Quantity.ForPeople(used)} is native memory outside of the GC heap: the types of the heap do not tell by what",
                $"{Names.Manifest}: outsideHeapBytes and workingSetBytes at the trigger")
            : null;

    /// <summary>With GOGC=100 a Go program takes twice its live heap, and some: what is far above that is something else.</summary>
    private static Finding? BesideLiveHeap(ReportData data)
    {
        if (data.Tables.FirstOrDefault(table => table is { Type: nameof(CaptureType.Heap), BaselineAt: null }) is not { Table: { SampleType.Type: "inuse_space" } table } report)
            return null;
        var at = data.Record.Trigger.At;
        var look = data.Memory.Where(point => point.At <= at && point.UnreclaimableBytes is not null).MaxBy(point => point.At);
        var used = look?.UnreclaimableBytes ?? data.Record.Memory.WorkingSetBytes;
        return used - table.Total < BesideBytes || used < (double)table.Total * BesideFactor
            ? null
            : new Finding(
                FindingKind.BesideLiveHeap,
                $"Live heap is only {Quantity.ForPeople(table.Total)} of {Quantity.ForPeople(used)}: the rest is garbage that no collection has freed yet, stacks, or native memory",
                $"{(report.File.Length > 0 ? report.File : "the heap profile")}: inuse_space; {(look is null ? $"{Names.Manifest}: workingSetBytes" : $"{Names.MemoryTimeline}: unreclaimable_bytes")}");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
