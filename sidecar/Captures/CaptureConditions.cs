using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Captures;

/// <summary>The state of the world that a plan is made for. Where something is not known it is null.</summary>
internal sealed record CaptureConditions
{
    /// <summary>
    /// What an object of the heap holds on average where nobody has counted. Measured leaks come to 57 bytes, and a smaller average
    /// means more objects and larger buffers: this one errs to the side on which a snapshot comes whole.
    /// </summary>
    internal const int AssumedObjectBytes = 48;

    /// <summary>What the target runs on; null is captured as Go is.</summary>
    public RuntimeKind? Runtime { get; init; }

    /// <summary>As the runtime calls itself: <c>10.0.1</c>.</summary>
    public string? RuntimeVersion { get; init; }

    /// <summary>Whether the target is dead already.</summary>
    public bool HasEnded { get; init; }

    /// <summary>Why nothing can be asked of the runtime; null: it can be asked.</summary>
    public Obstacle? WhyNoProfiles { get; init; }

    /// <summary>Why the runtime writes no dump; null: it can.</summary>
    public Obstacle? WhyNoDump { get; init; }

    /// <summary>The predicted time to the ceiling; null: it is not in sight.</summary>
    public TimeSpan? TimeLeft { get; init; }

    /// <summary>
    /// What can still be taken until the kernel kills: the container's limit less what cannot be reclaimed. The runtime's own limit
    /// does not count here, for it bounds its heap and not the buffers of a capture. Null: there is no limit.
    /// </summary>
    public long? HeadroomBytes { get; init; }

    /// <summary>The managed heap.</summary>
    public long? HeapBytes { get; init; }

    /// <summary>What the process holds resident, which a dump writes out.</summary>
    public long? ResidentBytes { get; init; }

    /// <summary>What is free on the disk where a dump would be written.</summary>
    public long? DumpDiskBytes { get; init; }

    /// <summary>What one capture may fill of the spool now.</summary>
    public long? SpoolRoomBytes { get; init; }

    public MeasuredCosts Measured { get; init; } = MeasuredCosts.None;

    /// <summary>Whether another capture of this target is still recording.</summary>
    public bool IsBeside { get; init; }

    /// <summary>What is left until a kill: of the container's limit, and of the machine.</summary>
    /// <param name="givenLimitBytes">A limit that was given by hand.</param>
    /// <param name="availableBytes">What the machine can still give.</param>
    public static long? Headroom(MemoryReading? reading, long? givenLimitBytes, long? availableBytes)
    {
        var ofLimit = reading?.Ceiling(givenLimitBytes) - reading?.UnreclaimableBytes;
        return ofLimit < availableBytes ? ofLimit : availableBytes ?? ofLimit;
    }

    /// <summary>
    /// The heap now. The runtime's word is as old as its last collection, or its last count of seconds ago, and a leak grows by hundreds
    /// of megabytes in that time: what is not known to lie outside the heap counts as heap.
    /// </summary>
    /// <param name="toldBytes">What the runtime said last; null: nothing.</param>
    public static long? Heap(long? toldBytes, MemorySample? last) => last is { OutsideHeapBytes: { } outside } sample && toldBytes is { } told
        ? Math.Max(told, sample.Reading.UnreclaimableBytes - outside)
        : toldBytes;

    /// <summary>With what is known of where a runtime can write a dump.</summary>
    public CaptureConditions With(DumpFolderSearch dumps) => dumps switch
    {
        DumpFolderSearch.Found { Folder.FreeBytes: { } free } => this with { WhyNoDump = null, DumpDiskBytes = free },
        DumpFolderSearch.Found found => this with { WhyNoDump = new Obstacle(Reasons.TargetExited, $"{found.Folder.OfTarget} cannot be reached any more"), DumpDiskBytes = null },
        DumpFolderSearch.NotFound none => this with { WhyNoDump = none.Why, DumpDiskBytes = null },
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>What one capture may take of the headroom. One runs after another, so that each may take all of it; two at once share.</summary>
    public double ShareOfHeadroom => IsBeside ? CapturePlanner.ShareOfHeadroom / 2 : CapturePlanner.ShareOfHeadroom;

    /// <summary>The most memory that a capture may take inside the target; null: no limit.</summary>
    public long? RoomBytes => HeadroomBytes is { } headroom ? (long)(Math.Max(0, headroom) * ShareOfHeadroom) : null;

    /// <summary>How many objects the heap holds: counted before and scaled by its growth since, or estimated from its size.</summary>
    public double? Objects => Measured is { Objects: { } counted, ObjectBytes: > 0 and var held }
        ? counted * Math.Max(1, (HeapBytes ?? held) / (double)held)
        : (HeapBytes ?? ResidentBytes) / (double)AssumedObjectBytes;

    /// <summary>Whether the runtime samples allocations by bytes, which .NET does from 10 on.</summary>
    public bool HasAllocationSamples
    {
        get
        {
            // The first number in "10.0.2", or in ".NET 10.0.2".
            var digits = (RuntimeVersion ?? "").AsSpan();
            digits = digits[Math.Max(0, digits.IndexOfAnyInRange('0', '9'))..];
            var end = digits.IndexOfAnyExceptInRange('0', '9');
            return int.TryParse(end < 0 ? digits : digits[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var major) && major >= 10;
        }
    }
}
