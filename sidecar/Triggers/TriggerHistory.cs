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
        Captures = [.. Captures.Where(time => at - time < TimeSpan.FromDays(1)), at],
    };
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(Dictionary<string, TriggerHistory>))]
internal sealed partial class TriggerHistoryJson : JsonSerializerContext;
