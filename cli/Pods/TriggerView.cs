using System.Globalization;
using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Triggers;

namespace Premortem.Cli.Pods;

/// <summary>A trigger, and how far it is from firing.</summary>
/// <param name="Says">When it fires, and what is missing.</param>
/// <param name="Rank">The lower, the sooner.</param>
internal sealed record TriggerView(string Name, string Kind, string Policy, string Says, double Rank)
{
    private const double Never = double.MaxValue, Unknown = 10;

    internal static TriggerView Of(Trigger trigger, string policy, long? used, long? ceiling, SidecarLogLine? told, DateTimeOffset now)
    {
        var (says, rank) = trigger switch
        {
            MemoryUsageTrigger usage => OfUsage(usage, used, ceiling),
            TimeToLimitTrigger when ceiling is null => ("can never fire: the container has no memory limit", Never),
            TimeToLimitTrigger ahead => ($"when growth, continued, meets the ceiling within {Durations.Format(ahead.Within)}{(told is null ? "" : $"; last told: {told.Message}")}", Unknown),
            RisingFloorTrigger floor => (string.Create(CultureInfo.InvariantCulture, $"when what is left after collections has risen by {floor.GrowthFraction:0.#%} within {Durations.Format(floor.Window)}"), Unknown + 1),
            ScheduleTrigger schedule => OfSchedule(schedule, now),
            _ => (trigger.Kind, Unknown + 2),
        };
        return new TriggerView(trigger.Name, trigger.Kind, policy, says, rank);
    }

    private static (string Says, double Rank) OfUsage(MemoryUsageTrigger usage, long? used, long? ceiling)
    {
        if (usage.Threshold.InBytes(ceiling) is not { } threshold)
            return ("can never fire: the container has no memory limit, and the threshold is a share of it", Never);
        var at = $"at {Quantity.ForPeople(threshold)}{(usage.Threshold.Fraction is null ? "" : $" ({usage.Threshold} of {Quantity.ForPeople(ceiling!.Value)})")}{(usage.For > TimeSpan.Zero ? $" for {Durations.Format(usage.For)}" : "")}";
        return used is not { } now ? ($"{at}; what is used is not known", Unknown)
            : now >= threshold ? ($"{at}, and {Quantity.ForPeople(now)} are used: it has fired, or holds until memory has fallen and its cooldown is over", 0)
            : ($"{at}: {Quantity.ForPeople(threshold - now)} more than now", (threshold - now) / (double)Math.Max(1, threshold));
    }

    private static (string Says, double Rank) OfSchedule(ScheduleTrigger trigger, DateTimeOffset now) =>
        Schedule.TryRead(trigger, out var schedule, out _) && schedule.After(now) is { } next
            ? (string.Create(CultureInfo.InvariantCulture, $"next at {next:yyyy-MM-dd HH:mm} UTC{(trigger.Jitter > TimeSpan.Zero ? $", up to {Durations.Format(trigger.Jitter)} later" : "")}"), Unknown + 3)
            : ($"by '{trigger.Cron}'", Unknown + 3);
}
