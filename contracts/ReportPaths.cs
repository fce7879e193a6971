namespace Premortem.Contracts;

/// <summary>What the operator serves to sidecars.</summary>
public static class ReportPaths
{
    public const string Status = "/v1/status";
    public const string Captures = "/v1/captures/";

    /// <summary>The most bytes that a report may have.</summary>
    public const int MaxBytes = 1 << 20;
}
