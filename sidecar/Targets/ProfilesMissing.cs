namespace Premortem.Sidecar.Targets;

/// <summary>Why a process has no place that captures come from.</summary>
/// <param name="Reason">A word from <see cref="Contracts.Reasons"/>.</param>
/// <param name="Detail">What was tried and what would help, for a person.</param>
internal sealed record ProfilesMissing(string Reason, string Detail);
