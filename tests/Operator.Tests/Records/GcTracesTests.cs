using System.Text;
using Microsoft.Extensions.Time.Testing;
using Premortem.Operator.Records;
using Premortem.Runtime;
using Premortem.Runtime.Tests;
using Xunit;

namespace Premortem.Operator.Tests.Records;

public sealed class GcTracesTests
{
    private const string Cycle = "gc 3 @0.648s 0%: 0.11+0.17+0.003 ms clock, 0.23+0.02/0.079/0.12+0.007 ms cpu, 12->13->11 MB, 14 MB goal, 2 P";
    private static readonly PodIdentity s_pod = new("shop", "checkout-7d9f-x2x", A.PodUid);
    private static readonly string s_since = "2026-03-01T12:00:00Z", s_until = "2026-03-01T12:05:00Z";

    [Theory]
    [InlineData(Cycle, true)]
    [InlineData("level=info msg=\"gc 12 @3.4s\"", true)]
    [InlineData("gc 12 is @3.4s", false)]
    [InlineData("gc gc 1 @0", true)]
    [InlineData("gc  @0", false)]
    [InlineData("gc 1 @x", false)]
    [InlineData("gc ", false)]
    [InlineData("gc 1 @", false)]
    [InlineData("password=hunter2", false)]
    public void A_collection_is_told_from_what_else_is_logged(string line, bool isOne) => Assert.Equal(isOne, GcTraces.TellsOfCollection(Encoding.UTF8.GetBytes(line)));

    [Fact]
    public async Task Lines_of_collections_of_this_life_are_given_and_nothing_else()
    {
        await using var api = await ApiAsync(request => request.Query["previous"] == "true"
            ? $"2026-03-01T11:59:59.5Z {Cycle}\n2026-03-01T12:00:00.25Z {Cycle}\n"
            : $"2026-03-01T12:01:00.123456789Z password=hunter2\n2026-03-01T12:01:00.2Z {Cycle}\nno time {Cycle}\n2026-03-01T12:05:00.1Z {Cycle}\n");
        var answer = await Reader(api).ReadAsync(s_pod, "app", s_since, s_until, CancellationToken.None);
        Assert.Equal((200, $"2026-03-01T12:00:00.25Z {Cycle}\n2026-03-01T12:01:00.2Z {Cycle}\n"), (answer.Status, Encoding.UTF8.GetString(answer.Content!)));
        Assert.Equal(["true", "false"], api.Requests.Select(request => request.Query["previous"]));
        Assert.All(api.Requests, request => Assert.Equal(("/api/v1/namespaces/shop/pods/checkout-7d9f-x2x/log", "app", "true", s_since), (request.Path, request.Query["container"], request.Query["timestamps"], request.Query["sinceTime"])));
    }

    [Fact]
    public async Task Of_too_many_the_last_are_given()
    {
        var lines = string.Concat(Enumerable.Range(1, 20_000).Select(i => $"2026-03-01T12:01:00Z {Cycle.Replace("gc 3", $"gc {i}", StringComparison.Ordinal)}\n"));
        await using var api = await ApiAsync(request => request.Query["previous"] == "true" ? "" : lines);
        var answer = await Reader(api).ReadAsync(s_pod, "app", s_since, s_until, CancellationToken.None);
        Assert.InRange(answer.Content!.Length, Contracts.ReportPaths.MaxGcTraceBytes - 200, Contracts.ReportPaths.MaxGcTraceBytes);
        var given = Encoding.UTF8.GetString(answer.Content);
        Assert.EndsWith(given, lines, StringComparison.Ordinal);
        Assert.StartsWith("2026-03-01T12:01:00Z gc ", given, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_may_not_read_logs_says_how_to_be_allowed_to()
    {
        await using var api = await StubApi.StartAsync((_, response, _) =>
        {
            response.StatusCode = 403;
            return Task.CompletedTask;
        });
        var answer = await Reader(api).ReadAsync(s_pod, "app", s_since, s_until, CancellationToken.None);
        Assert.Equal((403, "the operator may not read the logs of pods: install the chart with rbac.readGcTraces=true"), (answer.Status, answer.Detail));
    }

    [Fact]
    public async Task A_log_that_is_not_there_has_no_collections()
    {
        await using var api = await StubApi.StartAsync((_, response, _) =>
        {
            response.StatusCode = 400;
            return Task.CompletedTask;
        });
        Assert.Equal((200, 0), (await Reader(api).ReadAsync(s_pod, "app", s_since, s_until, CancellationToken.None)) is var answer ? (answer.Status, answer.Content!.Length) : default);
    }

    [Theory]
    [InlineData("app", "yesterday", "2026-03-01T12:05:00Z", "since")]
    [InlineData("app", null, "2026-03-01T12:05:00Z", "since")]
    [InlineData("app", "2026-03-01T12:00:00Z", "2026-03-01T11:05:00Z", "until")]
    [InlineData("../../secrets", "2026-03-01T12:00:00Z", "2026-03-01T12:05:00Z", "container")]
    [InlineData(Contracts.Names.SidecarContainer, "2026-03-01T12:00:00Z", "2026-03-01T12:05:00Z", "container")]
    public async Task What_makes_no_sense_is_refused_with_its_field(string container, string? since, string until, string field)
    {
        await using var api = await ApiAsync(_ => throw new InvalidOperationException("nobody asks"));
        var answer = await Reader(api).ReadAsync(s_pod, container, since, until, CancellationToken.None);
        Assert.Equal((422, field), (answer.Status, answer.Field));
        Assert.Empty(api.Requests);
    }

    [Fact]
    public async Task Another_pod_of_the_name_is_given_nothing_and_none_asks_all_the_time()
    {
        await using var api = await ApiAsync(_ => "");
        var reader = Reader(api);
        Assert.Equal(503, (await reader.ReadAsync(s_pod with { Uid = "another" }, "app", s_since, s_until, CancellationToken.None)).Status);
        for (var i = 0; i < 10; i++)
            Assert.Equal(200, (await reader.ReadAsync(s_pod, "app", s_since, s_until, CancellationToken.None)).Status);
        Assert.Equal(429, (await reader.ReadAsync(s_pod, "app", s_since, s_until, CancellationToken.None)).Status);
    }

    private static Task<StubApi> ApiAsync(Func<SeenRequest, string> log) => StubApi.StartAsync((request, response, ct) => response.Body.WriteAsync(Encoding.UTF8.GetBytes(log(request)), ct).AsTask());

    private static GcTraces Reader(StubApi api) =>
        new(new PodLogs(api.Client), key => key == s_pod.Key ? A.Pod() : null, new FakeTimeProvider(A.Now));
}
