using System.Diagnostics.CodeAnalysis;
using Cronos;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Triggers;

/// <summary>
/// The times of a cron expression in a time zone. Where clocks are put forward, a time that does not exist is taken at the next one that
/// does; where they are put back, a time that comes twice counts once.
/// </summary>
internal sealed class Schedule
{
    private readonly CronExpression _cron;
    private readonly TimeZoneInfo _zone;

    private Schedule(CronExpression cron, TimeZoneInfo zone) => (_cron, _zone) = (cron, zone);

    /// <summary>The first time after this one; null: there is none.</summary>
    public DateTimeOffset? After(DateTimeOffset time) => _cron.GetNextOccurrence(time, _zone)?.ToUniversalTime();

    /// <summary>What is wrong with the trigger, with the field that it is wrong in; null: nothing.</summary>
    public static FieldProblem? Check(ScheduleTrigger trigger) => TryRead(trigger, out _, out var problem) ? null : problem;

    public static bool TryRead(ScheduleTrigger trigger, [NotNullWhen(true)] out Schedule? schedule, [NotNullWhen(false)] out FieldProblem? problem)
    {
        (schedule, problem) = (null, null);
        if (!CronExpression.TryParse(trigger.Cron, out var cron))
        {
            problem = new FieldProblem("cron", $"is '{trigger.Cron}', but has to be minute (0-59), hour (0-23), day-of-month (1-31), month (1-12) and day-of-week (0-7), like '0 3 * * *' for every night at three");
            return false;
        }
        if (!TryFindZone(trigger.TimeZone, out var zone))
        {
            problem = new FieldProblem("timeZone", File.Exists("/usr/share/zoneinfo/UTC") || Directory.Exists("/usr/share/zoneinfo")
                ? $"is '{trigger.TimeZone}', which is no time zone here; it takes a name like Europe/Berlin or UTC"
                : $"is '{trigger.TimeZone}', and there is no time zone database in /usr/share/zoneinfo here: install tzdata, or leave it out for UTC");
            return false;
        }
        var read = new Schedule(cron, zone);
        // A leap day is up to eight years away; what does not come in that time is the 30th of February.
        if (read.After(DateTimeOffset.UnixEpoch) is null)
        {
            problem = new FieldProblem("cron", $"is '{trigger.Cron}', a time that never comes");
            return false;
        }
        schedule = read;
        return true;
    }

    private static bool TryFindZone(string? name, [NotNullWhen(true)] out TimeZoneInfo? zone)
    {
        zone = TimeZoneInfo.Utc;
        if (name is null or "UTC" or "Etc/UTC")
            return true;
        return TimeZoneInfo.TryFindSystemTimeZoneById(name, out zone);
    }
}
