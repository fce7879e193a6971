namespace Premortem.Runtime;

/// <summary>Delays that double from <paramref name="First"/> to <paramref name="Most"/>, each changed by up to <paramref name="Jitter"/> of itself.</summary>
public sealed record Backoff(TimeSpan First, TimeSpan Most, double Jitter = 0.2)
{
    /// <param name="failure">The how many-th in a row, from 1.</param>
    /// <param name="random">From 0 to 1.</param>
    public TimeSpan Delay(int failure, double random)
    {
        var doubled = First.TotalSeconds * Math.Pow(2, Math.Max(0, failure - 1));
        return TimeSpan.FromSeconds(Math.Min(doubled, Most.TotalSeconds) * (1 + (Jitter * ((2 * random) - 1))));
    }
}
