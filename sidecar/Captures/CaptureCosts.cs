using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Heaps;

namespace Premortem.Sidecar.Captures;

/// <summary>
/// Remembers what captures have cost a target, through all its lives: the same program is measured again. Captures may note side by
/// side.
/// </summary>
internal sealed class CaptureCosts
{
    private readonly Lock _lock = new();
    private MeasuredCosts _now = MeasuredCosts.None;

    public MeasuredCosts Now => Volatile.Read(ref _now);

    /// <summary>Notes a capture that came whole.</summary>
    /// <param name="step">As it was planned.</param>
    /// <param name="took">How long it took, its own duration included.</param>
    /// <param name="riseBytes">By how much it raised the target's memory; null where the target's own growth hides it.</param>
    public void Note(PlannedCapture step, TimeSpan took, long bytes, long? riseBytes = null)
    {
        var beyond = Math.Ceiling((took - (step.Duration ?? TimeSpan.Zero)).TotalMilliseconds);
        var cost = new MeasuredCost(TimeSpan.FromMilliseconds(Math.Max(0, beyond)), bytes, riseBytes);
        lock (_lock)
        {
            var captures = new Dictionary<(CaptureType, CaptureVariant?), MeasuredCost>(_now.Captures);
            captures[(step.Type, step.Variant)] = Worse(cost, _now.Of(step.Type, step.Variant));
            Volatile.Write(ref _now, _now with { Captures = captures });
        }
    }

    /// <summary>Notes the types of a whole snapshot.</summary>
    public void Note(TypeTable types)
    {
        if (types.IsPartial || types.Objects <= 0)
            return;
        lock (_lock)
            Volatile.Write(ref _now, _now with { Objects = types.Objects, ObjectBytes = types.Bytes });
    }

    /// <summary>The last counts, or what there was before where that was worse; it fades, so that one bad moment is not held against it for ever.</summary>
    private static MeasuredCost Worse(MeasuredCost last, MeasuredCost? before) => before is null
        ? last
        : new MeasuredCost(
            Max(last.Time, before.Time * 0.75),
            Math.Max(last.Bytes, before.Bytes / 4 * 3),
            last.RiseBytes is { } rise ? Math.Max(rise, (before.RiseBytes ?? 0) / 4 * 3) : before.RiseBytes);

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
