using System.Text.Json.Nodes;
using Premortem.Operator.Policies;

namespace Premortem.Operator.Injection;

internal abstract record InjectionDecision
{
    /// <param name="Patch">RFC 6902.</param>
    /// <param name="Policies">Those that were applied, the one that wins first.</param>
    /// <param name="Warnings">For the user who makes the pod.</param>
    internal sealed record Inject(JsonArray Patch, IReadOnlyList<PolicyView> Policies, IReadOnlyList<string> Warnings) : InjectionDecision;

    /// <param name="Reason">One word from <see cref="SkipReasons"/>.</param>
    /// <param name="Detail">In words, with what to do about it.</param>
    /// <param name="IsWorthTelling">Whether a policy selects the pod, so that somebody may wonder.</param>
    /// <param name="Policies">Those that select the pod.</param>
    internal sealed record Skip(string Reason, string Detail, bool IsWorthTelling, IReadOnlyList<PolicyView> Policies) : InjectionDecision;
}
