namespace Premortem.Runtime;

/// <summary>Delays that double from <paramref name="First"/> to <paramref name="Most"/>, each changed by up to <paramref name="Jitter"/> of itself.</summary>
public sealed record Backoff(TimeSpan First, TimeSpan Most, double Jitter = 0.2);
