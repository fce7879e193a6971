namespace Premortem.Contracts.Policies;

/// <summary>What became of reading a <c>spec</c>: the spec, or the errors that forbid it. Warnings go with either.</summary>
public sealed record SpecReading(ProfilePolicySpec? Spec, IReadOnlyList<FieldProblem> Errors, IReadOnlyList<FieldProblem> Warnings);
