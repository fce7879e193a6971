namespace Premortem.Profiles.Findings;

/// <summary>What one Go heap profile has in all: what the last collection before it left, and what was allocated until then.</summary>
/// <param name="At">When it was taken.</param>
/// <param name="LiveBytes">Its <c>inuse_space</c>.</param>
/// <param name="AllocatedBytes">Its <c>alloc_space</c>, since the program started.</param>
/// <param name="File">The profile's file.</param>
public sealed record HeapPoint(DateTimeOffset At, long LiveBytes, long AllocatedBytes, string File)
{
    /// <summary>The totals of a profile; null where it is none of a heap.</summary>
    public static HeapPoint? Of(Pprof.PprofProfile profile, DateTimeOffset at, string file)
    {
        ArgumentNullException.ThrowIfNull(profile);
        var (live, allocated) = (IndexOf("inuse_space"), IndexOf("alloc_space"));
        if (live < 0 || allocated < 0)
            return null;
        var (liveBytes, allocatedBytes) = (0L, 0L);
        var samples = profile.Samples();
        while (samples.Next())
        {
            liveBytes = unchecked(liveBytes + samples.Values[live]);
            allocatedBytes = unchecked(allocatedBytes + samples.Values[allocated]);
        }
        return new HeapPoint(at, liveBytes, allocatedBytes, file);

        int IndexOf(string type)
        {
            for (var i = 0; i < profile.SampleTypes.Count; i++)
                if (profile.SampleTypes[i] is { Unit: "bytes" } found && found.Type == type)
                    return i;
            return -1;
        }
    }
}
