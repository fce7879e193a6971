namespace Premortem.Profiles.Nettrace;

/// <summary>What a stream says of itself at its start.</summary>
/// <param name="StartedAt">When the session began.</param>
/// <param name="StartTimestamp">The same in ticks of its clock.</param>
/// <param name="Frequency">Ticks in a second.</param>
/// <param name="PointerSize">4 or 8.</param>
/// <param name="ProcessId">The process, as its own PID namespace numbers it.</param>
/// <param name="Processors">How many it may run on.</param>
public sealed record NettraceHeader(
    DateTimeOffset StartedAt, long StartTimestamp, long Frequency, int PointerSize, int ProcessId, int Processors)
{
    public DateTimeOffset TimeOf(long timestamp)
    {
        // What a damaged stream claims must not leave the calendar.
        var ticks = Math.Clamp(StartedAt.UtcTicks + Between(StartTimestamp, timestamp).Ticks, 0, DateTimeOffset.MaxValue.UtcTicks);
        return new DateTimeOffset(ticks, TimeSpan.Zero);
    }

    /// <summary>The time from one timestamp to another.</summary>
    public TimeSpan Between(long from, long to)
    {
        var seconds = ((double)to - from) / Frequency;
        return TimeSpan.FromSeconds(Math.Clamp(seconds, -1e9, 1e9));
    }
}
