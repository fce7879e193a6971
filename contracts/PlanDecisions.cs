namespace Premortem.Contracts;

/// <summary>The words of <see cref="PlannedCapture.Decision"/>.</summary>
public static class PlanDecisions
{
    public const string Chosen = "chosen";
    public const string Cut = "cut";
    public const string Skipped = "skipped";
}
