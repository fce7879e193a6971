using Premortem.Contracts;

namespace Premortem.Sidecar.Captures;

/// <summary>A plan in words.</summary>
internal static class PlanText
{
    /// <summary>The whole plan in a line: <c>Heap (PartialSnapshot, buffers 16 MiB), Cpu for 4s, no Goroutine (NotSupportedByRuntime)</c>.</summary>
    public static string Line(IReadOnlyList<PlannedCapture> plan) => string.Join(", ", plan.Select(Name));

    /// <summary>One step with everything that is known of it.</summary>
    public static string Step(PlannedCapture step)
    {
        var text = $"{step.Type}: {step.Decision}";
        if (step.Duration is { } duration)
            text += $" for {Durations.Format(duration)}";
        if (step.Variant is { } variant)
            text += $" as {variant}";
        if (step.BufferBytes is { } buffer)
            text += $" with buffers of {Quantity.ForPeople(buffer)}";
        if (step.CostTime is { } time)
            text += $"; expected to take {CapturePlanner.Took(time)} and {Quantity.ForPeople(step.CostBytes ?? 0)} in the target";
        if (step.Reason is { } reason)
            text += $": {reason}";
        return step.Detail is null ? text : $"{text}: {step.Detail}";
    }

    private static string Name(PlannedCapture step)
    {
        if (step.Decision == PlanDecisions.Skipped)
            return $"no {step.Type} ({step.Reason})";
        var duration = step.Duration is { } time ? $" for {Durations.Format(time)}" : "";
        return (step.Variant, step.BufferBytes) switch
        {
            (null, null) => $"{step.Type}{duration}",
            ({ } variant, null) => $"{step.Type}{duration} ({variant})",
            (null, { } bytes) => $"{step.Type}{duration} (buffers {Quantity.ForPeople(bytes)})",
            ({ } variant, { } bytes) => $"{step.Type}{duration} ({variant}, buffers {Quantity.ForPeople(bytes)})",
        };
    }
}
