using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Triggers;

/// <summary>
/// What the growth of memory, continued, would come to. Slopes are medians over many pairs of points, and are worked out when they are
/// asked for: far from the ceiling nobody asks.
/// </summary>
internal sealed class GrowthForecast
{
    /// <summary>A climb that would meet the ceiling this soon is believed at once: a profile takes tens of milliseconds, CPU seconds.</summary>
    internal static readonly TimeSpan Urgent = TimeSpan.FromSeconds(1.5);

    /// <summary>
    /// A few points give any slope: a step, a page of an allocator, noise. A prediction is believed when the growth itself has been
    /// seen to eat this share of what is left to the ceiling: of a spike within <see cref="Urgent"/>, of a climb within its window. A
    /// leak at any rate has done so by the time it matters, and a step that is small against the headroom never does.
    /// </summary>
    private const double LeastShareOfSpike = 0.2;
    private const double LeastShareOfClimb = 0.125;

    private static readonly TimeSpan Day = TimeSpan.FromDays(1);
    private static readonly TimeSpan SteadyWindow = TimeSpan.FromSeconds(5);

    private MemorySample _sample;
    private (double? Growth, TimeSpan? TimeToCeiling)? _prediction;

    public GrowthTrend Trend { get; private set; } = new();

    /// <summary>How fast memory grows now; null: too few samples.</summary>
    public double? GrowthBytesPerSecond => (_prediction ??= Predict()).Growth;

    /// <summary>When the present growth would meet the ceiling; null: not in sight.</summary>
    public TimeSpan? TimeToCeiling => (_prediction ??= Predict()).TimeToCeiling;

    /// <summary>What the last few samples predict; null where their growth is too little to be believed.</summary>
    public TimeSpan? SpikeLeft => HasEaten(Urgent, LeastShareOfSpike) ? TimeLeft(Trend.SpikeBytesPerSecond) : null;

    public void Add(in MemorySample sample)
    {
        _sample = sample;
        // A drop is a hundredth of the ceiling; without one, of what is in use. Less is the noise of an allocator.
        var drop = Math.Max((sample.CeilingBytes ?? sample.Reading.UnreclaimableBytes) / 100, 1 << 20);
        Trend.Add(sample.Elapsed, sample.Reading.UnreclaimableBytes, drop);
        _prediction = null;
    }

    /// <summary>A new process: what its predecessor's memory did says nothing about it.</summary>
    public void StartAnew()
    {
        Trend = new GrowthTrend();
        _prediction = (null, null);
    }

    /// <summary>Whether memory has grown, within the window, by this share of what is left to the ceiling.</summary>
    public bool HasEaten(TimeSpan window, double share) =>
        Trend.GrownBytes(window) >= (_sample.CeilingBytes - _sample.Reading.UnreclaimableBytes) * share;

    /// <summary>
    /// Whether the ceiling will be met before <paramref name="within"/> is over, by a growth that can be believed. Page cache that has
    /// just been charged looks like growth until the statistics follow: what there is has to be a danger, too.
    /// </summary>
    public bool IsNear(TimeSpan within) =>
        _sample.Reading.UnreclaimableBytes >= _sample.CeilingBytes * TriggerEngine.LeastUsageForPrediction
        && TimeToCeiling < within
        && HasEaten(SteadyWindow, LeastShareOfClimb);

    /// <summary>How long growth at this rate takes to the ceiling; null: a day or more.</summary>
    public TimeSpan? TimeLeft(double? rate)
    {
        // Less than a page a second is standing still.
        if (_sample.CeilingBytes is not { } ceiling || rate is not > 4096)
            return null;
        var seconds = Math.Max(0, ceiling - _sample.Reading.UnreclaimableBytes) / rate.Value;
        return seconds < Day.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }

    private (double? Growth, TimeSpan? TimeToCeiling) Predict()
    {
        var spike = Trend.SpikeBytesPerSecond;
        var steady = Trend.BytesPerSecond(SteadyWindow);
        if (_sample.CeilingBytes is null)
            return (steady ?? spike, null);
        // An allocator grows in steps: the last few samples alone are believed where waiting for more could be too late.
        var (spikeLeft, steadyLeft) = (SpikeLeft, TimeLeft(steady));
        var isSpike = steady is null || (spikeLeft < Urgent && !(steadyLeft < spikeLeft));
        return isSpike ? (spike, spikeLeft) : (steady, steadyLeft);
    }
}
