using System.Globalization;
using Premortem.Contracts.Policies;

namespace Premortem.Contracts;

/// <summary>The names of a capture's files.</summary>
public static class ArtifactKeys
{
    /// <summary>The type table that goes with a .NET heap.</summary>
    public const string Types = "types.json";

    /// <summary>The lines of a Go program's log that tell of its collections, each behind its time.</summary>
    public const string GoCollections = "gctrace.txt";

    /// <summary>What <see cref="Artifact.Type"/> says of a file that the flight recorder took.</summary>
    public const string Baseline = nameof(Baseline);

    private const string BaselinePrefix = "baseline-";

    /// <summary>The file of a baseline: <c>baseline-heap.pb.gz</c> for the newest, <c>baseline-2-heap.pb.gz</c> for the one before it.</summary>
    /// <param name="key">The file that it would be if it were captured now.</param>
    /// <param name="number">1 for the newest.</param>
    public static string OfBaseline(string key, int number) =>
        number == 1 ? BaselinePrefix + key : string.Create(CultureInfo.InvariantCulture, $"{BaselinePrefix}{number}-{key}");

    /// <summary>The file of a planned capture.</summary>
    /// <param name="runtime">What the target runs on; null: not known, which is captured as Go is.</param>
    public static string Of(PlannedCapture step, RuntimeKind? runtime) => (step.Type, step.Variant) switch
    {
        (CaptureType.Heap, CaptureVariant.HeapDump) => "heap.dmp.gz",
        (CaptureType.Heap, CaptureVariant.AllocationSamples or CaptureVariant.AllocationTicks) => "allocations.nettrace",
        (CaptureType.Heap, _) when runtime == RuntimeKind.DotNet => "heap.nettrace.gz",
        (CaptureType.Cpu, _) when runtime == RuntimeKind.DotNet => "cpu.nettrace",
        _ => Of(step.Type),
    };

    /// <summary>What <see cref="Artifact.Type"/> says of a file of that name.</summary>
    public static string TypeOf(string key)
    {
        foreach (var type in Enum.GetValues<CaptureType>())
            if (Of(type) == key)
                return type.ToString();
        return key switch
        {
            "heap.nettrace.gz" or "heap.dmp.gz" or "allocations.nettrace" => nameof(CaptureType.Heap),
            "cpu.nettrace" => nameof(CaptureType.Cpu),
            GoCollections => nameof(CaptureType.GcTrace),
            Types => nameof(Types),
            Names.MemoryTimeline => "MemoryTimeline",
            Names.Report => "Report",
            _ when key.StartsWith(BaselinePrefix, StringComparison.Ordinal) => Baseline,
            _ => "Other",
        };
    }

    private static string Of(CaptureType type) => type switch
    {
        CaptureType.Heap => "heap.pb.gz",
        CaptureType.Cpu => "cpu.pb.gz",
        CaptureType.Allocs => "allocs.pb.gz",
        CaptureType.Goroutine => "goroutine.pb.gz",
        CaptureType.ThreadCreate => "threadcreate.pb.gz",
        CaptureType.Block => "block.pb.gz",
        CaptureType.Mutex => "mutex.pb.gz",
        CaptureType.Trace => "trace.out",
        CaptureType.Process => "process.json",
        CaptureType.Dump => "core.dmp.gz",
        CaptureType.GcTrace => "gc.nettrace",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };
}
