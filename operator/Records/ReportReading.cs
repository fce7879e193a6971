namespace Premortem.Operator.Records;

/// <summary>What a report says, or why it is refused; exactly one is set.</summary>
internal sealed record ReportReading<T>(T? Report, ReportAnswer? Refusal)
    where T : class;
