namespace Premortem.Contracts;

/// <summary>What the operator serves to sidecars.</summary>
public static class ReportPaths
{
    public const string Status = "/v1/status";
    public const string Captures = "/v1/captures/";

    /// <summary>What a container's log has of collections of Go: <c>/v1/gctraces/CONTAINER?since=TIME&amp;until=TIME</c>.</summary>
    public const string GcTraces = "/v1/gctraces/";

    /// <summary>The most bytes of collections that are given away: the last ones.</summary>
    public const int MaxGcTraceBytes = 1 << 20;

    /// <summary>The most bytes that a report may have.</summary>
    public const int MaxBytes = 1 << 20;
}
