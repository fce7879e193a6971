using System.Text;

namespace Premortem.Cli.Pods;

/// <summary>What of a sidecar's log tells how it stands: of each event (docs/reference/log-events.md) the newest line.</summary>
/// <param name="Problem">Why the log could not be read; null: it could.</param>
internal sealed record SidecarLog(IReadOnlyList<SidecarLogLine> Lines, string? Problem)
{
    private const int MemoryAt = 300;

    // Found, missing, no limit, diagnostics; holds and fires; not captured; store. What a person would look for.
    private static readonly HashSet<int> s_kept = [112, 120, 200, 201, 202, 203, 204, 205, 206, MemoryAt, 400, 401, 501, 502, 522, 601, 602, 605, 606, 801, 804];

    // A later line of one kind takes back an earlier one of another.
    private static readonly Dictionary<int, int> s_answers = new() { [202] = 203, [206] = 203, [605] = 606, [110] = 112 };

    internal static SidecarLog Empty { get; } = new([], null);

    internal static SidecarLog Read(byte[] log)
    {
        var newest = new Dictionary<(int Id, string Container, string Trigger), SidecarLogLine>();
        foreach (var line in Encoding.UTF8.GetString(log).Split('\n'))
            if (SidecarLogLine.TryParse(line) is { } parsed)
            {
                if (s_answers.TryGetValue(parsed.Id, out var taken))
                    newest.Remove((taken, parsed.Container, parsed.Trigger));
                if (s_kept.Contains(parsed.Id))
                    newest[(parsed.Id, parsed.Container, parsed.Trigger)] = parsed;
            }
        return new SidecarLog([.. newest.Values.OrderBy(line => line.At)], null);
    }

    /// <summary>The highest that the sidecar told of a container's memory last.</summary>
    internal SidecarLogLine? MemoryOf(string container) => Lines.LastOrDefault(line => line.Id == MemoryAt && line.Container == container);
}
