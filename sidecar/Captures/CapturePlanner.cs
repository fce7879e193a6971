using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// Decides what to capture, in which order and for how long: the most worth first, cheap before dear, durations cut to the time that
/// is left. Pure.
/// </summary>
internal static class CapturePlanner
{
    /// <summary>Of the time left, what a capture that takes time may use: the prediction may be wrong, and the body has to arrive.</summary>
    internal const double ShareOfTimeLeft = 0.6;

    /// <summary>The shortest CPU profile that net/http/pprof makes, and the shortest trace worth having.</summary>
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

    private static readonly CaptureType[] ByWorth =
    [
        CaptureType.Heap, CaptureType.Dump, CaptureType.Goroutine, CaptureType.Process, CaptureType.Allocs, CaptureType.Cpu,
        CaptureType.Block, CaptureType.Mutex, CaptureType.ThreadCreate, CaptureType.GcTrace, CaptureType.Trace,
    ];

    /// <param name="requests">The policy's captures.</param>
    /// <param name="hasProfiles">Whether the target's pprof is there.</param>
    /// <param name="whyNoProfiles">Why it is not.</param>
    /// <param name="timeLeft">The predicted time to the ceiling; null: not in sight.</param>
    public static IReadOnlyList<PlannedCapture> Plan(IReadOnlyList<CaptureRequest> requests, bool hasProfiles, string whyNoProfiles, TimeSpan? timeLeft)
    {
        // What takes no time first, in order of worth; then what does, the shortest first.
        var ordered = requests
            .OrderBy(request => CaptureRequest.TakesTime(request.Type))
            .ThenBy(request => request.Duration ?? TimeSpan.Zero)
            .ThenBy(request => Array.IndexOf(ByWorth, request.Type));
        var plan = new List<PlannedCapture>();
        var left = timeLeft * ShareOfTimeLeft;
        foreach (var request in ordered)
        {
            var planned = Plan(request, hasProfiles, whyNoProfiles, left);
            plan.Add(planned);
            if (planned is { Decision: not PlanDecisions.Skipped, Duration: { } taken })
                left -= taken;
        }
        return plan;
    }

    private static PlannedCapture Plan(CaptureRequest request, bool hasProfiles, string whyNoProfiles, TimeSpan? left)
    {
        if (request.Type == CaptureType.Process)
            return new PlannedCapture(request.Type, PlanDecisions.Chosen, null);
        if (request.Type is CaptureType.Dump or CaptureType.GcTrace)
            return new PlannedCapture(request.Type, PlanDecisions.Skipped, $"{Reasons.NotSupportedByRuntime}: {request.Type} is for .NET targets");
        if (!hasProfiles)
            return new PlannedCapture(request.Type, PlanDecisions.Skipped, whyNoProfiles);
        if (request.Duration is not { } wanted || left is not { } rest || wanted <= rest)
            return new PlannedCapture(request.Type, PlanDecisions.Chosen, null, request.Duration);
        if (rest >= Least)
        {
            var cut = TimeSpan.FromSeconds(Math.Floor(rest.TotalSeconds));
            return new PlannedCapture(request.Type, PlanDecisions.Cut, $"cut from {Durations.Format(wanted)} to fit the time left", cut);
        }
        // Nothing is lost by trying the shortest, and a prediction is only that.
        return new PlannedCapture(request.Type, PlanDecisions.Cut, $"cut from {Durations.Format(wanted)}; even this may not end before the ceiling is met", wanted < Least ? wanted : Least);
    }
}
