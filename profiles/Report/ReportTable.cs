namespace Premortem.Profiles.Report;

/// <summary>A profile's top table.</summary>
/// <param name="Type">The capture type that it is from, as its artifact has it: <c>Heap</c>, <c>Cpu</c>.</param>
/// <param name="Table">The table.</param>
public sealed record ReportTable(string Type, TopTable Table)
{
    /// <summary>When it was taken, for a baseline that stands in for a heap that could not be captured; null: it was captured.</summary>
    public DateTimeOffset? BaselineAt { get; init; }

    /// <summary>The profile's file.</summary>
    public string File { get; init; } = "";
}
