using Premortem.Contracts;

namespace Premortem.Profiles.Heaps;

/// <summary>What a table of what was counted over some time is called.</summary>
public static class TypeTableReader
{
    /// <summary>What a table of allocations calls what it counted.</summary>
    public static string MeasureOf(TimeSpan duration) => $"allocations of {Durations.Format(duration)}";
}
