using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using Premortem.Contracts;
using Premortem.Operator.Records;
using Premortem.Testing;
using Prometheus;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed partial class DocumentationTests
{
    private static readonly string s_text = File.ReadAllText(Repository.Path("docs", "reference", "records.md"));

    [Fact]
    public void Every_word_is_described_and_no_other()
    {
        var words = typeof(RecordReasons).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => (string)field.GetRawConstantValue()!).Order();
        Assert.Equal(words, Described(s_text[s_text.IndexOf("## Words", StringComparison.Ordinal)..s_text.IndexOf("## Metrics", StringComparison.Ordinal)]));
    }

    [Fact]
    public async Task Every_metric_is_described_and_no_other()
    {
        var registry = Metrics.NewCustomRegistry();
        var metrics = new RecordMetrics(Metrics.WithCustomRegistry(registry));
        metrics.OomKill(true, TimeSpan.FromSeconds(1));
        metrics.Captured(CapturePhase.Completed, "somebody's own");
        metrics.Reported("taken");
        metrics.TokenReviewed("good");
        using var stream = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(stream, TestContext.Current.CancellationToken);
        var text = Encoding.UTF8.GetString(stream.ToArray());
        Assert.Equal(TypeLine().Matches(text).Select(match => match.Groups[1].Value).Order(), Described(s_text[s_text.IndexOf("## Metrics", StringComparison.Ordinal)..]));
        Assert.Contains("premortem_captures_total{phase=\"Completed\",trigger_kind=\"other\"} 1", text, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Described(string table) => FirstCell().Matches(table).Select(match => match.Groups[1].Value).Order();

    [GeneratedRegex(@"^\| `(\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex FirstCell();

    [GeneratedRegex(@"^# TYPE (\w+)", RegexOptions.Multiline)]
    private static partial Regex TypeLine();
}
