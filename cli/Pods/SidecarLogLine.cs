using System.Text.Json;
using Premortem.Cli.Cluster;

namespace Premortem.Cli.Pods;

/// <param name="Container">Whom it speaks of; empty: nobody.</param>
/// <param name="Used">Of event 300: the working set, as the sidecar writes it.</param>
internal sealed record SidecarLogLine(DateTimeOffset? At, int Id, bool IsWarning, string Container, string Trigger, string Message, string Used)
{
    private const int Longest = 16 << 10;

    internal static SidecarLogLine? TryParse(string line)
    {
        if (line.Length is 0 or > Longest || line[0] != '{')
            return null;
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            return new SidecarLogLine(
                root.Time("@t"),
                (int)root.Member("EventId").Number("Id"),
                root.Text("@l") is "Warning" or "Error" or "Fatal",
                root.Text("Container"),
                root.Text("Trigger"),
                root.Text("@m"),
                root.Text("Used"));
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
