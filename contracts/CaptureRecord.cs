using System.Globalization;
using System.Text.Json.Serialization;
using Premortem.Contracts.Policies;

namespace Premortem.Contracts;

/// <summary>
/// One capture: what fired, on what, what was brought home and how it ended. The sidecar keeps it beside the artifacts in its
/// spool while it works, and stores it last, as <c>manifest.json</c>. The schema is described in docs/reference/manifest.md.
/// </summary>
public sealed record CaptureRecord
{
    public const string SchemaVersion = "premortem.dev/manifest/v1";

    public string Schema { get; init; } = SchemaVersion;

    /// <summary>Unique; the last part of the capture's folder.</summary>
    public required string Id { get; init; }

    /// <summary>The folder of this capture in the store, without the store's own prefix and with a slash at its end.</summary>
    public required string Folder { get; init; }

    public required PolicyReference Policy { get; init; }

    public required FiredTrigger Trigger { get; init; }

    /// <summary>Further triggers that fired while this capture was under way and are served by it.</summary>
    public IReadOnlyList<FiredTrigger> AlsoFired { get; init; } = [];

    public required TargetIdentity Target { get; init; }

    public CapturePhase Phase { get; init; } = CapturePhase.Capturing;

    /// <summary>What became of the target; null until it is known.</summary>
    public CaptureOutcome? Outcome { get; init; }

    /// <summary>How the outcome is known, in words.</summary>
    public string? OutcomeReason { get; init; }

    /// <summary>When the target died, where it did.</summary>
    public DateTimeOffset? DiedAt { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Memory when the trigger fired.</summary>
    public required MemoryAtTrigger Memory { get; init; }

    public IReadOnlyList<Artifact> Artifacts { get; init; } = [];

    /// <summary>What was planned for each capture of the policy, and why.</summary>
    public IReadOnlyList<PlannedCapture> Plan { get; init; } = [];

    /// <summary>The functions or types that hold most of the memory, largest first; at most five.</summary>
    public IReadOnlyList<TopEntry> Top { get; init; } = [];

    /// <summary><c>baseline</c> where <see cref="Top"/> is from a baseline, since no heap was captured; null: from the heap.</summary>
    public string? TopFrom { get; init; }

    /// <summary>The version of the program that wrote this.</summary>
    public required string Producer { get; init; }
}

public sealed record PolicyReference(string Name, string? Namespace);

/// <param name="Name">The trigger's name in the policy, or <c>requested</c>, <c>oom-kill</c>, <c>exit</c>.</param>
/// <param name="Kind">The trigger's kind: <c>memoryUsage</c>, <c>timeToLimit</c>, …, <c>request</c>, <c>oomKill</c>, <c>exit</c>.</param>
/// <param name="Reason">Why it fired, in words, with the figures.</param>
/// <param name="At">When it fired.</param>
public sealed record FiredTrigger(string Name, string Kind, string Reason, DateTimeOffset At);

/// <summary>What was watched.</summary>
public sealed record TargetIdentity
{
    public required string Namespace { get; init; }

    public required string Workload { get; init; }

    public required string Pod { get; init; }

    public required string Container { get; init; }

    public string? Node { get; init; }

    /// <summary>Counts the lives of this container since the sidecar first saw it, from 1.</summary>
    public int Incarnation { get; init; } = 1;

    /// <summary>The process that was captured, as the sidecar's PID namespace numbers it.</summary>
    public int Pid { get; init; }

    public string? Executable { get; init; }

    public RuntimeIdentity? Runtime { get; init; }
}

/// <param name="Kind"><c>Go</c>, <c>DotNet</c>, or null where it is neither.</param>
/// <param name="Version">The runtime's version as it calls itself: <c>go1.26.0</c>.</param>
/// <param name="MainModule">Go: the path of the main module, or of the main package where there is no module.</param>
/// <param name="ModuleVersion">Go: the main module's version: <c>v1.2.3</c>, <c>(devel)</c>.</param>
public sealed record RuntimeIdentity(RuntimeKind Kind, string? Version, string? MainModule = null, string? ModuleVersion = null)
{
    /// <summary>.NET: <c>Workstation</c> or <c>Server</c>, with <c>, concurrent</c> where it is; null where that is not known.</summary>
    public string? GcMode { get; init; }

    /// <summary>The runtime's own limit: .NET's GC heap hard limit, Go's <c>GOMEMLIMIT</c>; null: none, or not known.</summary>
    public long? HeapLimitBytes { get; init; }

    /// <summary>Where <see cref="HeapLimitBytes"/> is from, in words: <c>GCHeapHardLimitPercent=75 (default)</c>, <c>GOMEMLIMIT</c>.</summary>
    public string? HeapLimitSource { get; init; }
}

/// <param name="WorkingSetBytes">Usage less inactive file: what triggers measure.</param>
/// <param name="UsageBytes">All that the cgroup is charged for, or the resident memory where there is no cgroup to read.</param>
/// <param name="LimitBytes">The container's limit; null: none.</param>
/// <param name="CeilingBytes">The ceiling that matters: the lower of the limit and the runtime's own; null: none.</param>
/// <param name="Source">Where the figures are from: <c>cgroup v2</c>, <c>cgroup v1</c>, <c>proc</c>.</param>
public sealed record MemoryAtTrigger(long WorkingSetBytes, long UsageBytes, long? LimitBytes, long? CeilingBytes, string Source)
{
    /// <summary>What a .NET process held beside its heap, at least: native memory, code, stacks; null: not known.</summary>
    public long? OutsideHeapBytes { get; init; }

    /// <summary>The share of the ceiling that matters in whole percents; null: there is none.</summary>
    [JsonIgnore]
    public long? CeilingPercent => Ceiling is { } ceiling ? (long)Math.Round(100.0 * WorkingSetBytes / ceiling, MidpointRounding.AwayFromZero) : null;

    /// <summary><c>241Mi/256Mi (94%)</c>: of the ceiling that matters, or of nothing where there is none.</summary>
    [JsonIgnore]
    public string Summary => Ceiling is { } ceiling
        ? string.Create(CultureInfo.InvariantCulture, $"{Rounded(WorkingSetBytes)}/{Rounded(ceiling)} ({CeilingPercent}%)")
        : Rounded(WorkingSetBytes);

    /// <summary>Whether most of the memory is none of the heap's, so that no table of the heap says what holds it.</summary>
    [JsonIgnore]
    public bool IsMostlyOutsideHeap => OutsideHeapBytes > Math.Max(WorkingSetBytes / 2, WorthNamingBytes);

    /// <summary>A runtime alone takes tens of megabytes beside its heap.</summary>
    private const long WorthNamingBytes = 96L << 20;

    private long? Ceiling => (CeilingBytes ?? LimitBytes) is { } ceiling and > 0 ? ceiling : null;

    /// <summary>In the unit that leaves two digits or more.</summary>
    private static string Rounded(long bytes)
    {
        string[] units = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
        var unit = 0;
        double value = bytes;
        while (value >= 10 * 1024 && unit < units.Length - 1)
            (value, unit) = (value / 1024, unit + 1);
        return string.Create(CultureInfo.InvariantCulture, $"{Math.Round(value, MidpointRounding.AwayFromZero)}{units[unit]}");
    }
}

/// <summary>One file of a capture, or the reason why it is not there.</summary>
public sealed record Artifact
{
    /// <summary>The capture type, or <c>Baseline</c>, <c>MemoryTimeline</c>, <c>Report</c>.</summary>
    public required string Type { get; init; }

    /// <summary>The file's name in the capture's folder: <c>heap.pb.gz</c>.</summary>
    public required string Key { get; init; }

    public long Bytes { get; init; }

    /// <summary>Lower-case hex of the file's SHA-256; null where there is no file.</summary>
    public string? Sha256 { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>When a baseline was taken, which is before the trigger; null for what was captured because of it.</summary>
    public DateTimeOffset? TakenAt { get; init; }

    /// <summary>What a .NET runtime said of its heap when a baseline was taken; null: nothing, or it is no baseline.</summary>
    public HeapFigures? Heap { get; init; }

    /// <summary>Why the file is not there or not whole; null where it is.</summary>
    public string? Error { get; init; }

    /// <summary>A word from <see cref="Reasons"/> that goes with <see cref="Error"/>.</summary>
    public string? Reason { get; init; }

    /// <summary>
    /// By how much the target's working set rose while this was captured, its own growth included; null: nobody looked.
    /// </summary>
    public long? RiseBytes { get; init; }

    /// <summary>Whether it was captured from the target, rather than written about the capture.</summary>
    [JsonIgnore]
    public bool IsCapture => Enum.TryParse<CaptureType>(Type, out _);

    [JsonIgnore]
    public bool IsComplete => Error is null && Sha256 is not null;

    /// <summary>Whether there is a file, whole or in part.</summary>
    [JsonIgnore]
    public bool HasFile => Sha256 is not null;
}

/// <param name="Type">The capture type.</param>
/// <param name="Decision"><c>chosen</c>, <c>cut</c> or <c>skipped</c>.</param>
/// <param name="Detail">Why, in words with the figures.</param>
/// <param name="Duration">The duration chosen, for what takes time.</param>
public sealed record PlannedCapture(CaptureType Type, string Decision, string? Detail, TimeSpan? Duration = null)
{
    /// <summary>A word from <see cref="Reasons"/> for why it was skipped; null where it was not.</summary>
    public string? Reason { get; init; }

    /// <summary>The way it is captured, where the runtime has several.</summary>
    public CaptureVariant? Variant { get; init; }

    /// <summary>The size of the buffers inside the target, for what is streamed out of a .NET runtime.</summary>
    public long? BufferBytes { get; init; }

    /// <summary>The memory that it is expected to take inside the target.</summary>
    public long? CostBytes { get; init; }

    /// <summary>The time that it is expected to take.</summary>
    public TimeSpan? CostTime { get; init; }
}

/// <param name="Name">A function or a type, or <see cref="Names.OutsideHeap"/>.</param>
/// <param name="FlatBytes">What it holds itself.</param>
/// <param name="FlatPercent">Its share of the heap, 0 to 100; of the working set where <see cref="Names.OutsideHeap"/> stands first.</param>
public sealed record TopEntry(string Name, long FlatBytes, double FlatPercent);

public enum CapturePhase
{
    Pending,
    Capturing,
    Completed,
    Partial,
    Failed,
}

public enum CaptureOutcome
{
    Survived,
    OOMKilled,
    Exited,
}
