using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Triggers;

/// <summary><c>timeToLimit</c>: growth, continued, would meet the ceiling soon.</summary>
internal sealed class TimeToLimitRule(TimeToLimitTrigger trigger) : TriggerRule(trigger)
{
    /// <summary>From this share of the ceiling on, a prediction needs no confirmation: there is no room left to wait in.</summary>
    private const double NearTheEnd = 0.9;

    /// <summary>
    /// Less than this share of the steady growth, over the last second, is none. A leak that comes in steps is believed while it rises:
    /// then it is faster than it is on the whole.
    /// </summary>
    private const double StandingStill = 0.5;

    public override long? ThresholdBytes(long? ceilingBytes) => (long?)(ceilingBytes * TriggerEngine.LeastUsageForPrediction);

    public override string? Judge(in MemorySample sample, GrowthForecast forecast)
    {
        if (sample.CeilingBytes is not { } ceiling)
            return null;
        var used = sample.Reading.UnreclaimableBytes;
        if (used < ceiling * TriggerEngine.LeastUsageForPrediction)
            return null;
        var trend = forecast.Trend;
        var spikeLeft = forecast.SpikeLeft;
        var window = trigger.Within / 4 < TimeSpan.FromSeconds(15) ? trigger.Within / 4 : TimeSpan.FromSeconds(15);
        // A leak of just this pace eats this share of the headroom within half the window.
        var steadyLeft = forecast.HasEaten(window, window / trigger.Within / 2) ? forecast.TimeLeft(trend.BytesPerSecond(window)) : null;
        var urgent = spikeLeft < GrowthForecast.Urgent && spikeLeft < trigger.Within;
        if (!urgent && !(steadyLeft <= trigger.Within))
            return null;
        // A heap that has reached its size stands still at once, and the slope over a longer time notices late.
        if (!urgent && trend.Slope(TimeSpan.FromSeconds(1)) * steadyLeft!.Value.TotalSeconds < (ceiling - used) * StandingStill)
            return null;
        var nearTheEnd = used >= ceiling * NearTheEnd;
        if (trend.LastPeakBytes > 0)
        {
            // It has climbed and fallen before, as a garbage-collected heap does: only new ground is a danger.
            if (used <= trend.LastPeakBytes + (ceiling / 50) && !nearTheEnd)
                return null;
        }
        else if (!urgent && !nearTheEnd)
        {
            // The first climb may be the first tooth of a sawtooth: it is given time to end.
            var confirmed = trigger.Within / 4 < TimeSpan.FromSeconds(5) ? trigger.Within / 4 : TimeSpan.FromSeconds(5);
            if (trend.Climbing < confirmed)
                return null;
        }
        var left = urgent && !(steadyLeft < spikeLeft) ? spikeLeft!.Value : steadyLeft!.Value;
        var rate = (long)((ceiling - used) / Math.Max(left.TotalSeconds, 1e-3));
        return $"memory grows by {Quantity.ForPeople(rate)}/s and would meet the ceiling of {Quantity.ForPeople(ceiling)} in {Rounded(left)}";
    }
}
