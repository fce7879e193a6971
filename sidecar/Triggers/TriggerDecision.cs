using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Triggers;

/// <summary>What the engine says of one trigger after one sample. Silence means that its condition does not hold.</summary>
internal abstract record TriggerDecision
{
    private TriggerDecision()
    {
    }

    /// <param name="Trigger">The trigger of the policy that fired.</param>
    /// <param name="Reason">Why, in words, with the figures.</param>
    internal sealed record Fire(Trigger Trigger, string Reason) : TriggerDecision;

    /// <summary>The condition holds, but the trigger may not fire; said once until something about it changes.</summary>
    /// <param name="Reason">A word from <see cref="Contracts.Reasons"/>.</param>
    internal sealed record Hold(Trigger Trigger, string Reason, string Detail) : TriggerDecision;
}
