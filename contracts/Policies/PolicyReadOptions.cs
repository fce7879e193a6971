namespace Premortem.Contracts.Policies;

/// <summary>How a policy is read.</summary>
public sealed record PolicyReadOptions
{
    /// <summary>
    /// What cron expressions and time zones are is not known to the reader: a problem comes back with the field of the schedule as its path.
    /// Null: they are not looked at.
    /// </summary>
    public Func<ScheduleTrigger, FieldProblem?>? CheckSchedule { get; init; }

    /// <summary>In a cluster a policy has to say which pods it means; beside one program it means that.</summary>
    public bool RequireSelector { get; init; }

    /// <summary>Unknown fields, triggers and captures are warnings: who wrote the document may be newer than who reads it.</summary>
    public bool TolerateUnknown { get; init; }

    internal List<FieldProblem>? UnknownIn(List<FieldProblem> warnings) => TolerateUnknown ? warnings : null;
}
