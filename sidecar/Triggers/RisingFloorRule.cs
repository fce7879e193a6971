using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Triggers;

/// <summary>
/// <c>risingFloor</c>: what is left after each collection becomes more and more. Where the runtime says what a collection left, that is
/// the floor; elsewhere it is what memory falls back to.
/// </summary>
internal sealed class RisingFloorRule(RisingFloorTrigger trigger) : TriggerRule(trigger)
{
    private static readonly TimeSpan FarAway = TimeSpan.FromDays(30);

    private FloorTrend _trend = new(trigger.Window);
    private TimeSpan? _heapSeenAt;
    private (long FromBytes, long ToBytes)? _climb;

    /// <summary>Once it has fired, a whole further window has to show a further climb.</summary>
    protected override bool StaysArmed => true;

    public override string? Judge(in MemorySample sample, GrowthForecast forecast)
    {
        if (Floor(sample) is { } bytes && _trend.Add(sample.Elapsed, bytes))
            _climb = _trend.Climb(trigger.GrowthFraction);
        return _climb is { } climb ? Told(climb.FromBytes, climb.ToBytes, sample) : null;
    }

    public override void Fired(in MemorySample sample)
    {
        base.Fired(sample);
        _trend.StartAnew();
        _climb = null;
    }

    public override void StartIncarnation()
    {
        base.StartIncarnation();
        (_trend, _heapSeenAt, _climb) = (new FloorTrend(trigger.Window), null, null);
    }

    /// <summary>The figure to follow. The two are never mixed in one window: where one takes the other's place, it begins anew.</summary>
    private long? Floor(in MemorySample sample)
    {
        if (sample.HeapAfterGcBytes is { } heap)
        {
            if (_heapSeenAt is null)
                (_trend, _climb) = (new FloorTrend(trigger.Window), null);
            _heapSeenAt = sample.Elapsed;
            return heap;
        }
        if (_heapSeenAt is not { } seen)
            return sample.Reading.UnreclaimableBytes;
        if (sample.Elapsed - seen <= trigger.Window / 6)
            return null;
        (_trend, _heapSeenAt, _climb) = (new FloorTrend(trigger.Window), null, null);
        return sample.Reading.UnreclaimableBytes;
    }

    private string Told(long from, long to, in MemorySample sample)
    {
        var what = _heapSeenAt is null ? "memory" : "the heap";
        var perMinute = (to - from) / trigger.Window.TotalMinutes;
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"the floor of {what} has climbed from {Quantity.ForPeople(from)} to {Quantity.ForPeople(to)} (+{(to - from) * 100.0 / from:0}%) in {Durations.Format(trigger.Window)}, by {Quantity.ForPeople((long)perMinute)} a minute");
        if (sample.CeilingBytes is not { } ceiling)
            return text;
        var left = TimeSpan.FromMinutes(Math.Min(Math.Max(0, ceiling - to) / perMinute, FarAway.TotalMinutes));
        return text + (left < FarAway ? $"; at this pace it would meet the ceiling of {Quantity.ForPeople(ceiling)} in {Roughly(left)}" : "; the ceiling is more than 30 days away");
    }

    private static string Roughly(TimeSpan time) => time switch
    {
        { TotalMinutes: < 1 } => Rounded(time),
        { TotalHours: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} minutes"),
        { TotalDays: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0} hours"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalDays:0} days"),
    };
}
