using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Premortem.Runtime.Tests;

public sealed class ResourceApiTests
{
    private static readonly ResourceKey Key = new("ns", "one");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_object_is_read_with_the_fields_that_its_type_has()
    {
        await using var stub = await StubApi.StartAsync((_, response, _) => response.Json(Thing.Json("one", 7, "Green")));
        var thing = await Api(stub).GetAsync(Key, Ct);
        Assert.Equal((Color.Green, "7", "ns"), (thing!.Color, thing.Metadata.ResourceVersion, thing.Metadata.Namespace));
        Assert.Equal("/apis/test.dev/v1/namespaces/ns/things/one", stub.Requests.Single().Path);
    }

    [Fact]
    public async Task An_object_that_is_not_there_is_null_but_a_type_that_is_not_there_is_an_error()
    {
        await using var stub = await StubApi.StartAsync((seen, response, ct) =>
        {
            if (seen.Path.Contains("things", StringComparison.Ordinal))
                return response.Refuse(404, "NotFound");
            response.StatusCode = 404;
            return response.WriteAsync("404 page not found\n", ct);
        });
        Assert.Null(await Api(stub).GetAsync(Key, Ct));
        Assert.False(await Api(stub).DeleteAsync(Key, new DeleteRequest(), Ct));
        var other = new ResourceApi<Thing>(stub.Client, Thing.Type with { Plural = "others" });
        var error = await Assert.ThrowsAsync<ApiException>(() => other.GetAsync(Key, Ct));
        Assert.True(error.IsNotFound);
        Assert.Null(error.Reason);
    }

    [Fact]
    public async Task A_list_goes_on_page_by_page_and_asks_for_what_it_was_told()
    {
        await using var stub = await StubApi.StartAsync((seen, response, _) => seen.Query.ContainsKey("continue")
            ? response.List("9", Thing.Json("two", 8))
            : response.Json($$"""{"metadata":{"resourceVersion":"9","continue":"a/b=","remainingItemCount":1},"items":[{{Thing.Json("one", 7)}}]}"""));
        var first = await Api(stub).ListAsync(new ListRequest { Limit = 1, LabelSelector = "a in (b,c)", FieldSelector = "spec.x=y" }, Ct);
        Assert.Equal("a/b=", first.Continue);
        var second = await Api(stub).ListAsync(new ListRequest { Namespace = "ns", Continue = first.Continue }, Ct);
        Assert.Equal(("two", "9", null), (second.Items.Single().Metadata.Name, second.ResourceVersion, second.Continue));
        var requests = stub.Requests.ToArray();
        Assert.Equal(("/apis/test.dev/v1/things", "a in (b,c)", "spec.x=y", "1"), (requests[0].Path, requests[0].Query["labelSelector"], requests[0].Query["fieldSelector"], requests[0].Query["limit"]));
        Assert.Equal(("/apis/test.dev/v1/namespaces/ns/things", "a/b="), (requests[1].Path, requests[1].Query["continue"]));
    }

    [Fact]
    public async Task An_object_that_cannot_be_read_is_left_out_and_told_of_and_the_others_are_there()
    {
        await using var stub = await StubApi.StartAsync((_, response, _) => response.List("9", Thing.Json("one", 7), Thing.Json("strange", 8, "Purple"), "null", Thing.Json("two", 9)));
        var unreadable = new List<UnreadableObject>();
        var api = Api(stub);
        api.OnUnreadable = unreadable.Add;
        var page = await api.ListAsync(new ListRequest(), Ct);
        Assert.Equal(["one", "two"], page.Items.Select(item => item.Metadata.Name));
        Assert.Equal([new ResourceKey("ns", "strange"), default], unreadable.Select(item => item.Key));
    }

    [Fact]
    public async Task Equal_words_of_many_objects_are_kept_once()
    {
        await using var stub = await StubApi.StartAsync((_, response, _) => response.List("9", Thing.Json("one", 7), Thing.Json("two", 8), Thing.Json("\\u0061\\\"", 9), Thing.Json(new string('ö', 96), 10)));
        var items = (await Api(stub).ListAsync(new ListRequest(), Ct)).Items;
        Assert.Same(items[0].Metadata.Namespace, items[1].Metadata.Namespace);
        Assert.Equal(["one", "two", "a\"", new string('ö', 96)], items.Select(item => item.Metadata.Name));
    }

    [Theory]
    [InlineData(409, "Conflict", true, false)]
    [InlineData(409, "AlreadyExists", false, true)]
    [InlineData(500, "InternalError", false, false)]
    public async Task A_refusal_has_the_servers_status_and_reason(int code, string reason, bool isConflict, bool isAlreadyExists)
    {
        await using var stub = await StubApi.StartAsync((_, response, _) => response.Refuse(code, reason));
        var error = await Assert.ThrowsAsync<ApiException>(() => Api(stub).CreateAsync(new Thing(), "ns", Ct));
        Assert.Equal(((HttpStatusCode)code, reason, "said no", isConflict, isAlreadyExists), (error.Status!.Value, error.Reason, error.Message, error.IsConflict, error.IsAlreadyExists));
    }

    [Theory]
    [InlineData(7, 7)]
    [InlineData(1_000_000, 300)]
    public async Task How_long_the_server_wants_to_be_left_alone_is_told_within_reason(int asked, int told)
    {
        await using var stub = await StubApi.StartAsync((_, response, _) => response.Refuse(429, "TooManyRequests", asked));
        var error = await Assert.ThrowsAsync<ApiException>(() => Api(stub).ListAsync(new ListRequest(), Ct));
        Assert.Equal(TimeSpan.FromSeconds(told), error.RetryAfter);
    }

    [Fact]
    public async Task No_answer_and_no_sense_are_errors_of_the_api()
    {
        var stub = await StubApi.StartAsync((_, response, _) => response.Json("<html>"));
        var nonsense = await Assert.ThrowsAsync<ApiException>(() => Api(stub).GetAsync(Key, Ct));
        Assert.Equal("Unreadable", nonsense.Reason);
        var client = new k8s.Kubernetes(new k8s.KubernetesClientConfiguration { Host = stub.Client.BaseUri.AbsoluteUri });
        await stub.DisposeAsync();
        var unreachable = await Assert.ThrowsAsync<ApiException>(() => new ResourceApi<Thing>(client, Thing.Type).GetAsync(Key, Ct));
        Assert.Null(unreachable.Status);
    }

    [Fact]
    public async Task An_answer_that_does_not_come_is_given_up_and_a_callers_cancel_is_a_cancel()
    {
        await using var stub = await StubApi.StartAsync((_, response, ct) => response.Silence(ct));
        var connection = new ApiConnection(stub.Client) { Timeout = TimeSpan.FromMilliseconds(100) };
        var error = await Assert.ThrowsAsync<ApiException>(() => connection.ExchangeAsync(HttpMethod.Get, "api", null, async (body, ct) => await body.ReadAsync(new byte[1], ct), Ct));
        Assert.Equal("Timeout", error.Reason);
        using var stop = new CancellationTokenSource();
        var asking = Api(stub).GetAsync(Key, stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
    }

    [Fact]
    public async Task Each_patch_has_its_content_type_and_a_create_says_what_it_is()
    {
        await using var stub = await StubApi.StartAsync((_, response, _) => response.Json(Thing.Json("one", 8)));
        var api = Api(stub);
        await api.PatchAsync(Key, new ResourcePatch.Merge(new JsonObject { ["color"] = null }), Ct);
        await api.PatchStatusAsync(Key, new ResourcePatch.Json(new JsonArray()), Ct);
        await api.PatchAsync(Key, new ResourcePatch.Apply(new { color = Color.Red }, "tests"), Ct);
        await api.CreateAsync(new Thing { Metadata = new ObjectMeta { Name = "one" }, At = new DateTimeOffset(2026, 1, 2, 4, 4, 5, 678, TimeSpan.FromHours(1)) }, "ns", Ct);
        Assert.Equal(
            [
                """PATCH /apis/test.dev/v1/namespaces/ns/things/one application/merge-patch+json {"color":null}""",
                """PATCH /apis/test.dev/v1/namespaces/ns/things/one/status application/json-patch+json []""",
                """PATCH /apis/test.dev/v1/namespaces/ns/things/one application/apply-patch+yaml {"color":"Red","apiVersion":"test.dev/v1","kind":"Thing"}""",
                """POST /apis/test.dev/v1/namespaces/ns/things application/json {"metadata":{"name":"one"},"at":"2026-01-02T03:04:05Z","apiVersion":"test.dev/v1","kind":"Thing"}""",
            ],
            stub.Requests.Select(seen => $"{seen.Method} {seen.Path} {seen.ContentType} {seen.Body}"));
        Assert.Equal(("tests", "true"), (stub.Requests.ElementAt(2).Query["fieldManager"], stub.Requests.ElementAt(2).Query["force"]));
    }

    [Fact]
    public async Task A_delete_of_another_object_of_the_name_is_none()
    {
        await using var stub = await StubApi.StartAsync((_, response, _) => response.Refuse(409, "Conflict"));
        Assert.False(await Api(stub).DeleteAsync(Key, new DeleteRequest("uid-1", "Background"), Ct));
        Assert.Equal(
            """{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"uid-1"},"propagationPolicy":"Background"}""", stub.Requests.Single().Body);
        await Assert.ThrowsAsync<ApiException>(() => Api(stub).DeleteAsync(Key, new DeleteRequest(), Ct));
    }

    [Fact]
    public async Task A_watch_gives_events_as_they_come_and_ends_with_the_server()
    {
        var goOn = new TaskCompletionSource();
        await using var stub = await StubApi.StartAsync(async (_, response, ct) =>
        {
            await response.Event("ADDED", Thing.Json("one", 7));
            await goOn.Task;
            await response.Event("MODIFIED", Thing.Json("strange", 8, "Purple"));
            await response.Event("FROM_THE_FUTURE", Thing.Json("one", 8));
            await response.Event("BOOKMARK", """{"kind":"Thing","metadata":{"resourceVersion":"11","creationTimestamp":null}}""");
            // Half of it, and the rest a little later; and no end of line.
            await response.WriteAsync("""{"type":"DELE""", ct);
            await response.Body.FlushAsync(ct);
            await response.WriteAsync("""TED","object":{"metadata":{"name":"one"}}}""", ct);
        });
        var seen = new List<string>();
        await foreach (var change in Api(stub).WatchAsync(new WatchRequest("6") { Timeout = TimeSpan.FromSeconds(300) }, Ct))
        {
            seen.Add($"{change.Kind} {change.Object.Metadata.Name}{change.Object.Metadata.ResourceVersion}");
            goOn.TrySetResult();
        }
        Assert.Equal(["Added one7", "Bookmark 11", "Deleted one"], seen);
        var query = stub.Requests.Single().Query;
        Assert.Equal(("true", "6", "300"), (query["allowWatchBookmarks"], query["resourceVersion"], query["timeoutSeconds"]));
    }

    [Fact]
    public async Task An_error_event_is_thrown_as_what_it_is()
    {
        await using var stub = await StubApi.StartAsync((_, response, _) => response.Event("ERROR", """{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"""));
        var error = await Assert.ThrowsAsync<ApiException>(async () => await Api(stub).WatchAsync(new WatchRequest("1"), Ct).GetAsyncEnumerator(Ct).MoveNextAsync());
        Assert.True(error.IsExpired);
    }

    [Fact]
    public async Task A_watch_of_a_large_object_is_read_in_linear_time()
    {
        var large = new string('x', 4_000_000);
        await using var stub = await StubApi.StartAsync((_, response, _) => response.Event("ADDED", $$$"""{"metadata":{"name":"one"},"large":"{{{large}}}"}"""));
        var clock = Stopwatch.StartNew();
        await foreach (var change in Api(stub).WatchAsync(new WatchRequest("1"), Ct))
            Assert.Equal("one", change.Object.Metadata.Name);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"{clock.Elapsed}");
    }

    private static ResourceApi<Thing> Api(StubApi stub) => new(stub.Client, Thing.Type);
}
