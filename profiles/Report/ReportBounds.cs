namespace Premortem.Profiles.Report;

/// <summary>How large a profile may be, unpacked, to be looked into for the page. What is larger is passed over, and the page says so.</summary>
/// <param name="ProfileBytes">For its table.</param>
/// <param name="DifferenceBytes">For a difference, which holds both profiles and what is made of them at once: each of the two.</param>
/// <param name="FlameBytes">For its flame graph.</param>
/// <param name="IsWhole">Whether there is a flame graph of every sample type and of the difference too.</param>
public sealed record ReportBounds(long ProfileBytes, long DifferenceBytes, long FlameBytes, bool IsWhole)
{
    /// <summary>A profile in memory, and what is made of it, are at most so many times its bytes; so many times for a difference.</summary>
    private const int RoomForOne = 3;
    private const int RoomForDifference = 8;

    /// <summary>On a machine with room: as large as profiles are read at all.</summary>
    public static ReportBounds Wide { get; } = new(Pprof.PprofProfile.DefaultMaxBytes, Pprof.PprofProfile.DefaultMaxBytes, Pprof.PprofProfile.DefaultMaxBytes, IsWhole: true);

    /// <summary>In a pod, where every byte counts against it. What is larger is left to <c>premortem report</c>.</summary>
    /// <param name="room">How much more memory this program may take; null: as much as it likes.</param>
    public static ReportBounds InPod(long? room) => new(
        Math.Min(24L << 20, room / RoomForOne ?? long.MaxValue),
        Math.Min(6L << 20, room / RoomForDifference ?? long.MaxValue),
        Math.Min(4L << 20, room / RoomForDifference ?? long.MaxValue),
        IsWhole: false);
}
