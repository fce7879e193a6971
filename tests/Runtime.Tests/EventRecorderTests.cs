using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;
using Premortem.Testing;
using Xunit;

namespace Premortem.Runtime.Tests;

public sealed class EventRecorderTests : IAsyncDisposable
{
    private static readonly ObjectReference Pod = new("v1", "Pod", "shop", "checkout-1", "uid-1");
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private readonly RecordingLog _log = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromSeconds(10));
        _stop.Dispose();
    }

    [Fact]
    public async Task An_event_is_written_as_describe_shows_it()
    {
        await using var stub = await Accepting();
        var events = Run(stub);
        events.Record(Pod, EventKind.Warning, "Fired", "near the limit");
        await Eventually.IsTrue(() => events.Written == 1, "written");
        var seen = stub.Requests.Single();
        var body = JsonNode.Parse(seen.Body)!;
        Assert.Equal("/api/v1/namespaces/shop/events", seen.Path);
        Assert.Matches("^checkout-1\\.[0-9a-f]{16}$", body["metadata"]!["name"]!.ToString());
        body["metadata"]!["name"] = "x";
        body["reportingInstance"] = "x";
        Assert.Equal(
            """{"metadata":{"name":"x","namespace":"shop"},"involvedObject":{"apiVersion":"v1","kind":"Pod","namespace":"shop","name":"checkout-1","uid":"uid-1"},"reason":"Fired","message":"near the limit","type":"Warning","count":1,"firstTimestamp":"2026-01-02T03:04:05Z","lastTimestamp":"2026-01-02T03:04:05Z","source":{"component":"premortem"},"reportingComponent":"premortem","reportingInstance":"x","apiVersion":"v1","kind":"Event"}""",
            body.ToJsonString());
    }

    [Fact]
    public async Task What_stands_in_no_namespace_has_its_events_in_default()
    {
        await using var stub = await Accepting();
        var events = Run(stub);
        events.Record(new ObjectReference("v1", "Node", null, "n", null), EventKind.Normal, "Seen", "it");
        await Eventually.IsTrue(() => events.Written == 1, "written");
        Assert.Equal("/api/v1/namespaces/default/events", stub.Requests.Single().Path);
        Assert.DoesNotContain("\"namespace\"", JsonNode.Parse(stub.Requests.Single().Body)!["involvedObject"]!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_event_again_raises_the_count_and_after_ten_minutes_it_is_a_new_one()
    {
        await using var stub = await Accepting();
        var events = Run(stub);
        events.Record(Pod, EventKind.Normal, "Fired", "a");
        await Eventually.IsTrue(() => events.Written == 1, "written");
        _time.Advance(TimeSpan.FromSeconds(5));
        events.Record(Pod, EventKind.Normal, "Fired", "a");
        await Eventually.IsTrue(() => events.Written == 2, "raised");
        var name = JsonNode.Parse(stub.Requests.First().Body)!["metadata"]!["name"]!.ToString();
        var raise = stub.Requests.Last();
        Assert.Equal(("PATCH", $"/api/v1/namespaces/shop/events/{name}", """{"count":2,"lastTimestamp":"2026-01-02T03:04:10Z"}"""), (raise.Method, raise.Path, raise.Body));
        events.Record(Pod, EventKind.Normal, "Fired", "b");
        await Eventually.IsTrue(() => events.Written == 3, "another");
        Assert.Equal("POST", stub.Requests.Last().Method);
        _time.Advance(TimeSpan.FromMinutes(11));
        events.Record(Pod, EventKind.Normal, "Fired", "a");
        await Eventually.IsTrue(() => events.Written == 4, "a new one");
        Assert.Equal("POST", stub.Requests.Last().Method);
    }

    [Fact]
    public async Task What_comes_faster_than_it_is_written_is_written_once()
    {
        await using var stub = await Accepting();
        var events = new EventRecorder(stub.Client, "premortem", _time, _log);
        for (var i = 0; i < 20; i++)
            events.Record(Pod, EventKind.Normal, "Fired", "a");
        _running = events.RunAsync(_stop.Token);
        await Eventually.IsTrue(() => events.Written == 1, "written");
        Assert.Contains("\"count\":20", stub.Requests.Single().Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_object_has_a_burst_and_then_one_a_minute_and_others_have_their_own()
    {
        await using var stub = await Accepting();
        var events = new EventRecorder(stub.Client, "premortem", _time, _log);
        for (var i = 0; i < 40; i++)
            events.Record(Pod, EventKind.Normal, "Fired", $"{i}");
        Assert.Equal(15, events.Dropped);
        events.Record(Pod with { Name = "other" }, EventKind.Normal, "Fired", "a");
        Assert.Equal(15, events.Dropped);
        _time.Advance(TimeSpan.FromMinutes(2));
        for (var i = 0; i < 3; i++)
            events.Record(Pod, EventKind.Normal, "Fired", $"later {i}");
        Assert.Equal(16, events.Dropped);
    }

    [Fact]
    public async Task More_than_can_wait_are_dropped_and_counted_and_nobody_waits()
    {
        await using var stub = await Accepting();
        var events = new EventRecorder(stub.Client, "premortem", _time, _log);
        for (var i = 0; i < EventRecorder.MostWaiting + 7; i++)
            events.Record(Pod with { Name = $"{i}" }, EventKind.Normal, "Fired", "a");
        Assert.Equal(7, events.Dropped);
    }

    [Fact]
    public async Task A_long_message_is_cut_and_a_long_name_too()
    {
        await using var stub = await Accepting();
        var events = Run(stub);
        events.Record(Pod with { Name = new string('n', 253) }, EventKind.Normal, "Fired", new string('m', 5000));
        await Eventually.IsTrue(() => events.Written == 1, "written");
        var body = JsonNode.Parse(stub.Requests.Single().Body)!;
        Assert.Equal(1024, body["message"]!.ToString().Length);
        Assert.Equal(253, body["metadata"]!["name"]!.ToString().Length);
    }

    [Fact]
    public async Task A_server_that_is_away_is_waited_for_and_one_that_refuses_is_not()
    {
        var asked = 0;
        await using var stub = await StubApi.StartAsync((seen, response, _) => ++asked switch
        {
            1 or 2 => response.Refuse(503, "ServiceUnavailable"),
            4 => response.Refuse(403, "Forbidden"),
            _ => response.Json("{}"),
        });
        var events = Run(stub);
        events.Record(Pod, EventKind.Normal, "Fired", "a");
        await AdvanceUntil(() => events.Written == 1);
        events.Record(Pod, EventKind.Normal, "Fired", "refused");
        events.Record(Pod, EventKind.Normal, "Fired", "b");
        await AdvanceUntil(() => events.Written == 2);
        Assert.Equal((1, 1), (events.Dropped, _log.Count(3430)));
    }

    [Fact]
    public async Task An_event_that_the_server_has_let_go_is_written_anew()
    {
        await using var stub = await StubApi.StartAsync((seen, response, _) => seen.Method == "PATCH" ? response.Refuse(404, "NotFound") : response.Json("{}"));
        var events = Run(stub);
        events.Record(Pod, EventKind.Normal, "Fired", "a");
        await Eventually.IsTrue(() => events.Written == 1, "written");
        events.Record(Pod, EventKind.Normal, "Fired", "a");
        await Eventually.IsTrue(() => events.Written == 2, "written anew");
        Assert.Equal(["POST", "PATCH", "POST"], stub.Requests.Select(seen => seen.Method));
        Assert.Contains("\"count\":2", stub.Requests.Last().Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_left_at_the_stop_is_written()
    {
        await using var stub = await Accepting();
        var events = new EventRecorder(stub.Client, "premortem", _time, _log);
        events.Record(Pod, EventKind.Normal, "Fired", "a");
        await events.RunAsync(new CancellationToken(canceled: true));
        Assert.Equal(1, events.Written);
    }

    private static Task<StubApi> Accepting() => StubApi.StartAsync((_, response, _) => response.Json("{}"));

    private EventRecorder Run(StubApi stub)
    {
        var events = new EventRecorder(stub.Client, "premortem", _time, _log);
        _running = events.RunAsync(_stop.Token);
        return events;
    }

    private Task AdvanceUntil(Func<bool> condition) => Eventually.IsTrue(
        () =>
        {
            if (condition())
                return true;
            _time.Advance(TimeSpan.FromSeconds(0.5));
            return false;
        },
        "as the clock goes on");
}
