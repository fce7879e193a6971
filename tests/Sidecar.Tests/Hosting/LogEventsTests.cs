using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Premortem.Sidecar.Hosting;
using Premortem.Testing;
using Xunit;

namespace Premortem.Sidecar.Tests.Hosting;

/// <summary>Log.cs and docs/reference/log-events.md tell the same.</summary>
public sealed partial class LogEventsTests
{
    private static readonly (int Id, string Name, string Level, string Line)[] s_events =
    [
        .. typeof(Log).GetMethods(BindingFlags.Static | BindingFlags.Public)
            .Select(method => (Method: method, Event: method.GetCustomAttribute<LoggerMessageAttribute>()))
            .Where(found => found.Event is not null)
            .Select(found => (found.Event!.EventId, found.Method.Name, found.Event.Level.ToString(), found.Event.Message)),
    ];

    [Fact]
    public void No_id_is_used_twice()
    {
        Assert.NotEmpty(s_events);
        Assert.Equal(s_events.Length, s_events.Select(item => item.Id).Distinct().Count());
    }

    [Fact]
    public void Every_event_is_listed_as_it_is()
    {
        var listed = Row().Matches(File.ReadAllText(Repository.Path("docs", "reference", "log-events.md")))
            .Select(row => (int.Parse(row.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture), row.Groups[2].Value, row.Groups[3].Value, row.Groups[4].Value))
            // Above are the operator's and its runtime's.
            .Where(row => row.Item1 < 3000);
        Assert.Equal(s_events.OrderBy(item => item.Id), listed);
    }

    [GeneratedRegex(@"^\| (\d+) \| (\w+) \| (\w+) \| (.*) \|$", RegexOptions.Multiline)]
    private static partial Regex Row();
}
