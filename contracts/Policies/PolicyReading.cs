namespace Premortem.Contracts.Policies;

/// <summary>What became of reading a policy: the policy, or the errors that forbid it. Warnings go with either.</summary>
public sealed record PolicyReading(ProfilePolicy? Policy, IReadOnlyList<FieldProblem> Errors, IReadOnlyList<FieldProblem> Warnings);
