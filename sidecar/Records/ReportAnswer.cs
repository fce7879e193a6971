namespace Premortem.Sidecar.Records;

/// <summary>What became of one report.</summary>
internal abstract record ReportAnswer
{
    private ReportAnswer()
    {
    }

    /// <summary>The operator has it.</summary>
    internal sealed record Taken : ReportAnswer
    {
        public static Taken It { get; } = new();
    }

    /// <summary>The operator will never take this one.</summary>
    internal sealed record Refused(string Detail) : ReportAnswer;

    /// <summary>It may be taken another time.</summary>
    /// <param name="Detail">Why not now, for a person; holds no secret.</param>
    /// <param name="IsOfThisOne">Whether another report may fare better.</param>
    /// <param name="IsSlow">Whether somebody has to change something first: asking often is of no use.</param>
    /// <param name="After">How long the operator wants to be left alone; null: it has not said.</param>
    internal sealed record Later(string Detail, bool IsOfThisOne = false, bool IsSlow = false, TimeSpan? After = null) : ReportAnswer;
}
