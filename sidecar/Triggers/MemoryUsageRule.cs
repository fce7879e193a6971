using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Memory;

namespace Premortem.Sidecar.Triggers;

/// <summary><c>memoryUsage</c>: the working set has been at or above a threshold for long enough.</summary>
internal sealed class MemoryUsageRule(MemoryUsageTrigger trigger) : TriggerRule(trigger)
{
    private TimeSpan? _aboveSince;

    public override long? ThresholdBytes(long? ceilingBytes) => trigger.Threshold.InBytes(ceilingBytes);

    public override string? Judge(in MemorySample sample, GrowthForecast forecast)
    {
        var used = sample.Reading.WorkingSetBytes;
        if (trigger.Threshold.InBytes(sample.CeilingBytes) is not { } threshold || used < threshold)
        {
            _aboveSince = null;
            return null;
        }
        if (_aboveSince is not { } since)
        {
            // One sample alone is not believed, be `for` zero: the kernel's statistics lag behind its usage.
            _aboveSince = sample.Elapsed;
            return forecast.IsNear(GrowthForecast.Urgent) ? Told("the ceiling is only {0} away", forecast.TimeToCeiling!.Value) : null;
        }
        var held = sample.Elapsed - since;
        if (held >= trigger.For)
            return Told(trigger.For > TimeSpan.Zero ? "for {0}" : "", held);
        // Waiting out `for` would be waiting for the kill.
        return forecast.IsNear(trigger.For - held + GrowthForecast.Urgent) ? Told("the ceiling is only {0} away", forecast.TimeToCeiling!.Value) : null;

        string Told(string more, TimeSpan time)
        {
            var text = $"working set {Quantity.ForPeople(used)} is at or above {trigger.Threshold}";
            if (trigger.Threshold.Fraction is not null)
                text += $" ({Quantity.ForPeople(threshold)})";
            return more.Length == 0 ? text : $"{text}, {string.Format(CultureInfo.InvariantCulture, more, Rounded(time))}";
        }
    }

    public override void StartIncarnation()
    {
        base.StartIncarnation();
        _aboveSince = null;
    }
}
