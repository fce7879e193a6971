using Premortem.Contracts.Policies;

namespace Premortem.Contracts;

/// <summary>The names of a capture's files.</summary>
public static class ArtifactKeys
{
    public static string Of(CaptureType type) => type switch
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
        CaptureType.Dump => "core.dmp.zst",
        CaptureType.GcTrace => "gc.nettrace",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    /// <summary>What <see cref="Artifact.Type"/> says of a file of that name.</summary>
    public static string TypeOf(string key)
    {
        foreach (var type in Enum.GetValues<CaptureType>())
            if (Of(type) == key)
                return type.ToString();
        return key switch
        {
            Names.MemoryTimeline => "MemoryTimeline",
            Names.Report => "Report",
            _ => "Other",
        };
    }
}
