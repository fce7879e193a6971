namespace Premortem.Contracts.Policies;

/// <summary>When to capture. Each trigger has a name, unique in its policy, and exactly one kind.</summary>
public abstract record Trigger(string Name)
{
    /// <summary>The field of the policy that holds this kind.</summary>
    public abstract string Kind { get; }
}

/// <summary>Fires when the working set has been at or above <paramref name="Threshold"/> for <paramref name="For"/>.</summary>
public sealed record MemoryUsageTrigger(string Name, MemoryThreshold Threshold, TimeSpan For) : Trigger(Name)
{
    public override string Kind => "memoryUsage";
}

/// <summary>Fires when the growth of memory, continued, would meet the ceiling within <paramref name="Within"/>.</summary>
public sealed record TimeToLimitTrigger(string Name, TimeSpan Within) : Trigger(Name)
{
    public override string Kind => "timeToLimit";
}

/// <summary>Fires when the floor of the sawtooth has climbed by <paramref name="GrowthFraction"/> within <paramref name="Window"/>.</summary>
public sealed record RisingFloorTrigger(string Name, TimeSpan Window, double GrowthFraction) : Trigger(Name)
{
    public override string Kind => "risingFloor";
}

/// <summary>Fires at the times of <paramref name="Cron"/>.</summary>
public sealed record ScheduleTrigger(string Name, string Cron, string? TimeZone, TimeSpan Jitter) : Trigger(Name)
{
    public override string Kind => "schedule";
}

/// <summary>A share of the ceiling (<see cref="Fraction"/>, above 0 and at most 1) or a number of bytes; exactly one is set.</summary>
public sealed record MemoryThreshold(double? Fraction, long? Bytes)
{
    /// <summary>The threshold in bytes, or null where it is a share of a ceiling that nobody knows.</summary>
    public long? InBytes(long? ceilingBytes) => Bytes ?? (ceilingBytes is { } ceiling ? (long)(ceiling * Fraction!.Value) : null);

    public override string ToString() => Fraction is { } f ? $"{f * 100:0.##}%" : Quantity.Format(Bytes!.Value);
}
