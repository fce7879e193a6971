using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Triggers;

/// <summary>
/// <c>risingFloor</c>: what is left becomes more and more. Where the runtime says what a collection left in the heap, that is one floor and what
/// is held beside the heap is another, and either may climb; elsewhere it is what memory falls back to.
/// </summary>
internal sealed class RisingFloorRule(RisingFloorTrigger trigger) : TriggerRule(trigger)
{
    private static readonly TimeSpan FarAway = TimeSpan.FromDays(30);

    private readonly Series[] _series = [new("the heap", trigger), new("memory outside of the heap", trigger), new("memory", trigger)];

    /// <summary>Once it has fired, a whole further window has to show a further climb.</summary>
    protected override bool StaysArmed => true;

    public override string? Judge(in MemorySample sample, GrowthForecast forecast)
    {
        // Between two collections memory climbs by what is garbage already: where the heap is known, it says nothing.
        var hasHeap = sample.HeapAfterGcBytes is not null || sample.OutsideHeapBytes is not null;
        _series[0].Take(sample.Elapsed, sample.HeapAfterGcBytes);
        _series[1].Take(sample.Elapsed, sample.OutsideHeapBytes);
        _series[2].Take(sample.Elapsed, hasHeap ? null : sample.Reading.UnreclaimableBytes);
        foreach (var series in _series)
            if (series.Climb is { } climb)
                return Told(series.Name, climb, sample);
        return null;
    }

    public override void Fired(in MemorySample sample)
    {
        base.Fired(sample);
        foreach (var series in _series)
            series.StartAnew();
    }

    public override void StartIncarnation()
    {
        base.StartIncarnation();
        foreach (var series in _series)
            series.Forget();
    }

    private string Told(string what, (long FromBytes, long ToBytes) climb, in MemorySample sample)
    {
        var (from, to) = climb;
        var perMinute = (to - from) / trigger.Window.TotalMinutes;
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"the floor of {what} has climbed from {Quantity.ForPeople(from)} to {Quantity.ForPeople(to)} (+{(to - from) * 100.0 / from:0}%) in {Durations.Format(trigger.Window)}, by {Quantity.ForPeople((long)perMinute)} a minute");
        if (sample.CeilingBytes is not { } ceiling)
            return text;
        // Of what climbs beside something else, that takes its part of the room.
        var held = sample.HeapAfterGcBytes is null ? to : Math.Max(to, sample.Reading.UnreclaimableBytes);
        var left = TimeSpan.FromMinutes(Math.Min(Math.Max(0, ceiling - held) / perMinute, FarAway.TotalMinutes));
        return text + (left < FarAway ? $"; at this pace it would meet the ceiling of {Quantity.ForPeople(ceiling)} in {Roughly(left)}" : "; the ceiling is more than 30 days away");
    }

    private static string Roughly(TimeSpan time) => time switch
    {
        { TotalMinutes: < 1 } => Rounded(time),
        { TotalHours: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} minutes"),
        { TotalDays: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0} hours"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalDays:0} days"),
    };

    /// <summary>One figure through the window. It is never mixed with another: where it is missing for long, it begins anew.</summary>
    private sealed class Series(string name, RisingFloorTrigger trigger)
    {
        private FloorTrend _trend = new(trigger.Window);
        private TimeSpan _seenAt;

        public string Name => name;

        public (long FromBytes, long ToBytes)? Climb { get; private set; }

        public void Take(TimeSpan elapsed, long? bytes)
        {
            if (bytes is not { } value)
            {
                if (elapsed - _seenAt > trigger.Window / 6)
                    Climb = null;
                return;
            }
            _seenAt = elapsed;
            if (_trend.Add(elapsed, value))
                Climb = _trend.Climb(trigger.GrowthFraction);
        }

        public void StartAnew()
        {
            _trend.StartAnew();
            Climb = null;
        }

        public void Forget() => (_trend, Climb) = (new FloorTrend(trigger.Window), null);
    }
}
