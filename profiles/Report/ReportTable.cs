namespace Premortem.Profiles.Report;

/// <summary>A profile's top table.</summary>
/// <param name="Type">The capture type that it is from, as its artifact has it: <c>Heap</c>, <c>Cpu</c>.</param>
/// <param name="Table">The table.</param>
public sealed record ReportTable(string Type, TopTable Table);
