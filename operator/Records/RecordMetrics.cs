using Premortem.Contracts;
using Prometheus;

namespace Premortem.Operator.Records;

/// <summary>The figures of records, in the registry that is given. Described in docs/reference/records.md.</summary>
internal sealed class RecordMetrics
{
    private static readonly string[] TriggerKinds = ["memoryUsage", "timeToLimit", "risingFloor", "schedule", "request", "oomKill", "exit"];

    private readonly Counter _oomKills;
    private readonly Counter _reports;
    private readonly Counter _captures;
    private readonly Counter _tokenReviews;
    private readonly Histogram _killToRecord;

    public RecordMetrics(IMetricFactory metrics)
    {
        _oomKills = metrics.CreateCounter(
            "premortem_oom_kills_total", "OOM kills of watched containers, by whether something was captured.", ["artifact"]);
        _reports = metrics.CreateCounter("premortem_capture_reports_total", "Reports of sidecars, by what became of them.", ["result"]);
        _captures = metrics.CreateCounter("premortem_captures_total", "Captures that came to their end, by how and by what fired.", ["phase", "trigger_kind"]);
        _tokenReviews = metrics.CreateCounter("premortem_token_reviews_total", "Tokens of sidecars that were looked at, by what they were worth.", ["result"]);
        _killToRecord = metrics.CreateHistogram(
            "premortem_kill_to_record_seconds",
            "From an OOM kill until it is tied to its record.",
            new HistogramConfiguration { Buckets = [1, 2, 5, 10, 20, 40, 60, 90, 120, 300, 600] });
        // The ratio of the two needs both from the start.
        _oomKills.WithLabels("yes");
        _oomKills.WithLabels("no");
    }

    public void OomKill(bool hasArtifact, TimeSpan sinceKill)
    {
        _oomKills.WithLabels(hasArtifact ? "yes" : "no").Inc();
        _killToRecord.Observe(Math.Max(0, sinceKill.TotalSeconds));
    }

    public void Reported(string result) => _reports.WithLabels(result).Inc();

    /// <param name="triggerKind">As the sidecar says; what is none becomes <c>other</c>, so that nobody can make up series.</param>
    public void Captured(CapturePhase phase, string triggerKind) =>
        _captures.WithLabels(phase.ToString(), Array.IndexOf(TriggerKinds, triggerKind) >= 0 ? triggerKind : "other").Inc();

    public void TokenReviewed(string result) => _tokenReviews.WithLabels(result).Inc();
}
