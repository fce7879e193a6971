namespace Premortem.Runtime;

/// <summary>Conditions as the API's conventions want them.</summary>
public static class Conditions
{
    /// <summary>
    /// The new ones in their order, each with the time at which its status last changed: where the status is the same as before, the time stays.
    /// Old ones of other types are kept behind them: they may be somebody else's.
    /// </summary>
    public static IReadOnlyList<TCondition> Merge<TCondition>(IReadOnlyList<TCondition>? has, IReadOnlyList<TCondition> wants, DateTimeOffset now)
        where TCondition : class, ICondition<TCondition>
    {
        var merged = new List<TCondition>(wants.Count);
        foreach (var wanted in wants)
        {
            var old = has?.FirstOrDefault(condition => condition.Type == wanted.Type);
            merged.Add(wanted.Since(old is not null && old.Status == wanted.Status && old.LastTransitionTime is { } since ? since : now));
        }
        foreach (var old in has ?? [])
            if (!wants.Any(wanted => wanted.Type == old.Type))
                merged.Add(old);
        return merged;
    }
}

/// <summary>A <c>metav1.Condition</c>, whatever else its record has.</summary>
public interface ICondition<out TSelf>
{
    string Type { get; }

    /// <summary><c>True</c>, <c>False</c>, <c>Unknown</c>.</summary>
    string Status { get; }

    DateTimeOffset? LastTransitionTime { get; }

    TSelf Since(DateTimeOffset lastTransitionTime);
}
