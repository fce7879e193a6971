namespace Premortem.Operator.Policies;

/// <summary>The reasons of a policy's conditions, beside <see cref="Injection.SkipReasons"/> and <see cref="Contracts.Reasons"/>; docs/reference/reasons.md.</summary>
internal static class PolicyReasons
{
    public const string Valid = nameof(Valid);
    public const string Invalid = nameof(Invalid);
    public const string NoPods = nameof(NoPods);
    public const string AllInjected = nameof(AllInjected);
    public const string NotReported = nameof(NotReported);
    public const string Reachable = nameof(Reachable);
    public const string Applied = nameof(Applied);
    public const string Refused = nameof(Refused);
    public const string Behind = nameof(Behind);
}
