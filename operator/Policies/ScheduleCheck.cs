using Premortem.Contracts.Policies;
using Premortem.Sidecar.Triggers;

namespace Premortem.Operator.Policies;

/// <summary>Checks the schedules of a policy by the sidecar's own rules.</summary>
internal static class ScheduleCheck
{
    private static readonly bool HasZones = Directory.Exists("/usr/share/zoneinfo");

    public static FieldProblem? Check(ScheduleTrigger trigger) =>
        // Without a database here, whether the zone exists is the sidecar's to say.
        Schedule.Check(HasZones ? trigger : trigger with { TimeZone = null });
}
