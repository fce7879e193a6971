using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Premortem.Testing;
using Xunit;

namespace Premortem.Runtime.Tests;

public sealed class InformerTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly RecordingLog _log = new();
    private readonly ConcurrentQueue<string> _changes = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromSeconds(10));
        _stop.Dispose();
    }

    [Fact]
    public async Task The_copy_follows_the_server_and_handlers_are_told_of_each_change_in_order()
    {
        await using var stub = await StubApi.StartAsync(async (seen, response, ct) =>
        {
            if (!seen.IsWatch)
            {
                await response.List("10", Thing.Json("a", 1), Thing.Json("b", 2));
                return;
            }
            await response.Event("ADDED", Thing.Json("c", 11));
            await response.Event("MODIFIED", Thing.Json("a", 12, "Green"));
            await response.Event("DELETED", Thing.Json("b", 13));
            await response.Silence(ct);
        });
        var informer = Run(stub);
        await informer.WhenSyncedAsync(_stop.Token);
        await ChangesAre("+a1 +b2 +c11 a1>a12 -b2");
        Assert.Equal(["a12", "c11"], informer.List().Select(Name).Order());
        Assert.Equal(["a12", "c11"], informer.List("ns").Select(Name).Order());
        Assert.Empty(informer.List("other"));
        Assert.Equal(Color.Green, informer.Get(new ResourceKey("ns", "a"))!.Color);
        Assert.Null(informer.Get(new ResourceKey("ns", "b")));
        Assert.Equal((2, 1, 0), (informer.Figures.Objects, informer.Figures.Relists, informer.Figures.WatchErrors));
    }

    [Fact]
    public async Task A_version_that_has_expired_is_listed_anew_at_once_and_no_delete_is_lost()
    {
        var lists = 0;
        await using var stub = await StubApi.StartAsync(async (seen, response, ct) =>
        {
            if (!seen.IsWatch)
                await (++lists == 1
                    ? response.List("10", Thing.Json("kept", 1), Thing.Json("gone", 2), Thing.Json("changed", 3), Thing.Json("remade", 4, uid: "old"))
                    : response.List("20", Thing.Json("kept", 1), Thing.Json("changed", 13), Thing.Json("remade", 14, uid: "new"), Thing.Json("new", 15)));
            else if (seen.Query["resourceVersion"] == "10")
                await response.Event("ERROR", """{"kind":"Status","code":410,"reason":"Expired"}""");
            else
                await response.Silence(ct);
        });
        Run(stub);
        await ChangesAre("+kept1 +gone2 +changed3 +remade4 changed3>changed13 -remade4 +remade14 +new15 -gone2");
    }

    [Fact]
    public async Task Versions_that_expire_again_and_again_are_not_asked_for_at_full_speed()
    {
        await using var stub = await StubApi.StartAsync((seen, response, _) => seen.IsWatch ? response.Refuse(410, "Expired") : response.List("10"));
        Run(stub);
        await Eventually.IsTrue(() => _log.Count(3402) == 1, "it waits");
        Assert.Equal(2, stub.Requests.Count(seen => !seen.IsWatch));
        _time.Advance(TimeSpan.FromMinutes(1));
        await Eventually.IsTrue(() => _log.Count(3402) == 2, "it goes on, and waits");
        Assert.Equal(3, stub.Requests.Count(seen => !seen.IsWatch));
    }

    [Fact]
    public async Task A_watch_that_ends_goes_on_from_the_last_version_without_a_list_and_without_waiting()
    {
        var watches = 0;
        await using var stub = await StubApi.StartAsync(async (seen, response, ct) =>
        {
            if (!seen.IsWatch)
                await response.List("10");
            else if (++watches == 1)
                await response.Event("ADDED", Thing.Json("a", 11));
            else if (watches == 2)
                await response.Event("BOOKMARK", """{"metadata":{"resourceVersion":"25"}}""");
            else
                await response.Silence(ct);
        });
        Run(stub);
        await Eventually.IsTrue(() => stub.Requests.Count == 4, "list and three watches");
        Assert.Equal(["10", "11", "25"], stub.Requests.Where(seen => seen.IsWatch).Select(seen => seen.Query["resourceVersion"]));
    }

    [Fact]
    public async Task A_connection_that_breaks_in_the_middle_goes_on_from_the_last_version_after_a_moment()
    {
        var watches = 0;
        await using var stub = await StubApi.StartAsync(async (seen, response, ct) =>
        {
            if (!seen.IsWatch)
                await response.List("10");
            else if (++watches == 1)
            {
                await response.Event("ADDED", Thing.Json("a", 11));
                await response.WriteAsync("""{"type":"ADDED","obj""", ct);
                await Eventually.IsTrue(() => !_changes.IsEmpty, "a reset would throw away what has not been read");
                response.HttpContext.Abort();
            }
            else
                await response.Silence(ct);
        });
        var informer = Run(stub);
        await Eventually.IsTrue(() => informer.Figures.WatchErrors == 1, "the break is seen");
        await AdvanceUntil(() => watches == 2);
        Assert.Equal("11", stub.Requests.Last().Query["resourceVersion"]);
        await ChangesAre("+a11");
    }

    [Fact]
    public async Task A_watch_that_has_gone_silent_is_opened_anew()
    {
        await using var stub = await StubApi.StartAsync(async (seen, response, ct) =>
        {
            if (!seen.IsWatch)
            {
                await response.List("10");
                return;
            }
            if (seen.Query["resourceVersion"] == "10")
                await response.Event("ADDED", Thing.Json("a", 11));
            await response.Silence(ct);
        });
        var informer = Run(stub);
        await ChangesAre("+a11");
        await AdvanceUntil(() => stub.Requests.Count(seen => seen.IsWatch) == 2);
        Assert.Equal(1, informer.Figures.WatchErrors);
        Assert.Equal(1, informer.Figures.Relists);
    }

    [Fact]
    public async Task A_type_that_is_missing_is_said_once_and_waited_for()
    {
        var isThere = false;
        await using var stub = await StubApi.StartAsync(async (seen, response, ct) =>
        {
            if (!isThere)
                response.StatusCode = 404;
            else if (seen.IsWatch)
                await response.Silence(ct);
            else
                await response.List("10", Thing.Json("a", 1));
        });
        var informer = Run(stub);
        await AdvanceUntil(() => stub.Requests.Count >= 4);
        Assert.False(informer.HasSynced);
        Assert.Equal(1, _log.Count(3403));
        isThere = true;
        await AdvanceUntil(() => informer.HasSynced);
        await ChangesAre("+a1");
    }

    [Fact]
    public async Task A_server_that_wants_to_be_left_alone_is()
    {
        var asked = 0;
        await using var stub = await StubApi.StartAsync((seen, response, ct) => ++asked == 1
            ? response.Refuse(429, "TooManyRequests", retryAfter: 90)
            : seen.IsWatch ? response.Silence(ct) : response.List("10"));
        var informer = Run(stub);
        await Eventually.IsTrue(() => _log.Count(3402) == 1, "refused");
        _time.Advance(TimeSpan.FromSeconds(89));
        Assert.False(informer.HasSynced);
        Assert.Equal(1, asked);
        await AdvanceUntil(() => informer.HasSynced);
    }

    [Fact]
    public async Task Pages_are_put_together_and_a_page_that_has_expired_is_made_good_by_a_list_without_pages()
    {
        await using var stub = await StubApi.StartAsync((seen, response, ct) => seen switch
        {
            { IsWatch: true } => response.Silence(ct),
            _ when seen.Query.GetValueOrDefault("continue") == "2" => response.Refuse(410, "Expired"),
            _ when seen.Query.ContainsKey("limit") => response.Json($$"""{"metadata":{"resourceVersion":"9","continue":"2"},"items":[{{Thing.Json("a", 1)}}]}"""),
            _ => response.List("11", Thing.Json("b", 2), Thing.Json("c", 3)),
        });
        var informer = Run(stub, new InformerOptions<Thing> { PageSize = 1 });
        await informer.WhenSyncedAsync(_stop.Token);
        await ChangesAre("+b2 +c3");
        await Eventually.IsTrue(() => stub.Requests.LastOrDefault()?.Query.GetValueOrDefault("resourceVersion") == "11", "watched from the whole list's version");
    }

    [Fact]
    public async Task At_each_resync_every_object_is_handed_out_again_as_it_is_kept()
    {
        await using var stub = await StubApi.StartAsync((seen, response, ct) => seen.IsWatch ? response.Silence(ct) : response.List("10", Thing.Json("a", 1)));
        var informer = Run(stub, new InformerOptions<Thing> { Resync = TimeSpan.FromMinutes(1), Trim = thing => thing with { Color = null } });
        await informer.WhenSyncedAsync(_stop.Token);
        _time.Advance(TimeSpan.FromMinutes(1));
        await ChangesAre("+a1 a1>a1");
        Assert.Null(informer.List().Single().Color);
    }

    [Fact]
    public async Task A_handler_that_throws_is_logged_and_the_others_go_on()
    {
        await using var stub = await StubApi.StartAsync((seen, response, ct) => seen.IsWatch ? response.Silence(ct) : response.List("10", Thing.Json("a", 1), Thing.Json("b", 2)));
        var informer = new Informer<Thing>(new ResourceApi<Thing>(stub.Client, Thing.Type), new InformerOptions<Thing>(), _time, _log);
        informer.OnChange((_, _) => throw new InvalidOperationException("broken"));
        Run(informer);
        await ChangesAre("+a1 +b2");
        Assert.Equal(2, _log.Count(3405));
    }

    [Fact]
    public async Task Ten_thousand_objects_of_a_thousand_namespaces_are_kept_and_let_go()
    {
        var lists = 0;
        await using var stub = await StubApi.StartAsync((seen, response, ct) => seen.IsWatch
            ? (lists == 1 ? response.Refuse(410, "Expired") : response.Silence(ct))
            : response.List("10", ++lists == 1 ? [.. Enumerable.Range(0, 10_000).Select(i => Thing.Json($"a{i}", i, @namespace: $"ns{i % 1000}"))] : []));
        var informer = Run(stub);
        await Eventually.IsTrue(() => _changes.Count == 20_000, "all came and went");
        Assert.Empty(informer.List());
        Assert.Equal(0, informer.Figures.Objects);
    }

    private static string Name(Thing thing) => $"{thing.Metadata.Name}{thing.Metadata.ResourceVersion}";

    private Informer<Thing> Run(StubApi stub, InformerOptions<Thing>? options = null) =>
        Run(new Informer<Thing>(new ResourceApi<Thing>(stub.Client, Thing.Type), options ?? new InformerOptions<Thing>(), _time, _log));

    private Informer<Thing> Run(Informer<Thing> informer)
    {
        informer.OnChange((old, now) => _changes.Enqueue((old, now) switch
        {
            (null, { } added) => $"+{Name(added)}",
            ({ } gone, null) => $"-{Name(gone)}",
            ({ } before, { } after) => $"{Name(before)}>{Name(after)}",
            _ => "nothing",
        }));
        _running = informer.RunAsync(_stop.Token);
        return informer;
    }

    private Task<string> ChangesAre(string expected) => Eventually.Holds(() => string.Join(' ', _changes), changes => changes == expected, "changes");

    private Task AdvanceUntil(Func<bool> condition) => Eventually.IsTrue(
        () =>
        {
            if (condition())
                return true;
            _time.Advance(TimeSpan.FromSeconds(5));
            return false;
        },
        "as the clock goes on");
}
