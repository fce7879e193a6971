using System.Globalization;
using System.Text.Json;

namespace Premortem.Testing;

/// <summary>One line of the sidecar's JSON log.</summary>
/// <param name="EventId">The id, as listed in docs/reference/log-events.md.</param>
/// <param name="Text">The line as it was printed.</param>
public sealed record LogLine(int EventId, string Level, JsonElement Properties, string Text)
{
    /// <summary>A value of the event, as text; empty where it has none of that name.</summary>
    public string this[string name] => Properties.TryGetProperty(name, out var value) ? value.ToString() : "";

    public DateTimeOffset At => DateTimeOffset.Parse(this["@t"], CultureInfo.InvariantCulture);

    public override string ToString() => Text;

    public static LogLine? TryParse(string line)
    {
        if (!line.StartsWith("{\"@t\"", StringComparison.Ordinal))
            return null;
        if (!line.EndsWith('}'))
            return null; // It was killed while it wrote.
        using var document = JsonDocument.Parse(line);
        var root = document.RootElement.Clone();
        return new LogLine(
            root.TryGetProperty(nameof(EventId), out var id) ? id.GetProperty("Id").GetInt32() : 0,
            root.TryGetProperty("@l", out var level) ? level.GetString()! : "Information",
            root,
            line);
    }
}
