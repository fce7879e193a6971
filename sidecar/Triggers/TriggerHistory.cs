using System.Text.Json.Serialization;

namespace Premortem.Sidecar.Triggers;

/// <summary>What has to be known of the past to keep cooldowns and daily limits across a restart of the sidecar. Wall-clock times.</summary>
internal sealed record TriggerHistory
{
    public static TriggerHistory Empty { get; } = new();

    /// <summary>When each trigger fired last.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> LastFired { get; init; } = new Dictionary<string, DateTimeOffset>();

    /// <summary>Every capture of the last 24 hours, oldest first.</summary>
    public IReadOnlyList<DateTimeOffset> Captures { get; init; } = [];

    public TriggerHistory With(string trigger, DateTimeOffset at) => this with
    {
        LastFired = new Dictionary<string, DateTimeOffset>(LastFired) { [trigger] = at },
        Captures = [.. Captures.Where(time => IsOfTheDay(time, at)), at],
    };

    /// <summary>How many captures belong to the 24 hours before <paramref name="at"/>.</summary>
    public int Today(DateTimeOffset at) => Captures.Count(time => IsOfTheDay(time, at));

    /// <summary>
    /// What seems to lie ahead was captured before the clock was set back, and counts; what lies further ahead than a day is from a
    /// clock that was wrong, and must not use up the limit for years.
    /// </summary>
    private static bool IsOfTheDay(DateTimeOffset time, DateTimeOffset at) => (at - time).Duration() < TimeSpan.FromDays(1);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, WriteIndented = true)]
[JsonSerializable(typeof(Dictionary<string, TriggerHistory>))]
internal sealed partial class TriggerHistoryJson : JsonSerializerContext;
