using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Premortem.Operator.Hosting;
using Premortem.Operator.Injection;
using Premortem.Operator.Policies;
using Premortem.Operator.Records;
using Premortem.Testing;
using Prometheus;
using Xunit;

namespace Premortem.Operator.Tests.Hosting;

/// <summary>The reference and the code tell the same.</summary>
public sealed partial class ReferenceTests
{
    [Fact]
    public void Every_metric_is_listed_with_its_type_and_labels_and_no_other()
    {
        var registry = Metrics.NewCustomRegistry();
        var collectors = Collectors(new OperatorMetrics(registry)).Concat(Collectors(new RecordMetrics(Metrics.WithCustomRegistry(registry))))
            .Select(collector => (collector.Name, Type(collector), string.Join(",", collector.LabelNames)))
            .Order();
        var listed = Row().Matches(Read("metrics.md"))
            .Select(row => (row.Groups[1].Value, row.Groups[2].Value, row.Groups[3].Value.Replace("`", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal)))
            .Order();
        Assert.Equal(collectors, listed);
    }

    [Fact]
    public void Every_reason_is_listed()
    {
        var text = Read("reasons.md");
        var reasons = Words(typeof(SkipReasons)).Concat(Words(typeof(PolicyReasons)))
            .Concat([InjectionEndpoint.NotReady, InjectionEndpoint.NamespaceUnknown, InjectionEndpoint.InjectionFailed, InjectionEndpoint.MalformedReview, InjectionEndpoint.Injected]);
        Assert.All(reasons, reason => Assert.Contains($"`{reason}`", text, StringComparison.Ordinal));
    }

    [Fact]
    public void No_id_of_a_log_event_is_used_twice()
    {
        var ids = typeof(Log).GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>()?.EventId).OfType<int>().ToArray();
        Assert.True(ids.Length > 20);
        Assert.Equal(ids.Length, ids.Distinct().Count());
    }

    [Fact]
    public void Every_log_event_is_listed_as_it_is()
    {
        var events = typeof(Log).GetMethods(BindingFlags.Static | BindingFlags.Public)
            .Select(method => (method.Name, Event: method.GetCustomAttribute<LoggerMessageAttribute>()))
            .Where(found => found.Event?.EventId is >= 3000 and < 3300)
            .Select(found => $"| {found.Event!.EventId} | {found.Name} | {found.Event.Level} | {found.Event.Message} |");
        var text = Read("log-events.md");
        Assert.All(events, line => Assert.Contains(line, text, StringComparison.Ordinal));
    }

    private static IEnumerable<Collector> Collectors(object metrics) => metrics.GetType()
        .GetFields(BindingFlags.Instance | BindingFlags.NonPublic)
        .Select(field => field.GetValue(metrics))
        .OfType<Collector>();

    private static string Type(Collector collector) => collector switch
    {
        Counter => "counter",
        Gauge => "gauge",
        Histogram => "histogram",
        _ => collector.GetType().Name,
    };

    private static IEnumerable<string> Words(Type table) =>
        table.GetFields(BindingFlags.Static | BindingFlags.Public).Where(field => field.IsLiteral).Select(field => (string)field.GetRawConstantValue()!);

    private static string Read(string name) => File.ReadAllText(Repository.Path("docs", "reference", name));

    [GeneratedRegex(@"^\| `(premortem_\w+)` \| (\w+) \|\s?(.*?)\s?\| .* \|$", RegexOptions.Multiline)]
    private static partial Regex Row();
}
