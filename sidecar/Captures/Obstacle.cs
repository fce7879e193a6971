namespace Premortem.Sidecar.Captures;

/// <summary>Why something is not captured, or not in the best way.</summary>
/// <param name="Reason">A word from <see cref="Contracts.Reasons"/>.</param>
/// <param name="Detail">The same with the figures, for a person.</param>
internal sealed record Obstacle(string Reason, string Detail);
