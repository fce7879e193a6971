using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;

namespace Premortem.Runtime;

/// <summary>
/// One type of resource on the API server: list, watch, get, create, patch, delete. Errors are <see cref="ApiException"/>. Only the fields that
/// <typeparamref name="T"/> has are read, straight from the stream. Every answer but a watch has 30 s; nothing is tried again here.
/// </summary>
public sealed class ResourceApi<T>(IKubernetes client, ResourceType type)
    where T : class, IResource
{
    // An object is at most some megabytes (etcd's bound), and its managed fields with it.
    private const long LongestWatchEvent = 16 * 1024 * 1024;

    private readonly ApiConnection _connection = new(client);

    public ResourceType Type => type;

    /// <summary>Told of each object that a list or watch had, and that does not fit <typeparamref name="T"/>: it is left out.</summary>
    public Action<UnreadableObject>? OnUnreadable { get; set; }

    /// <summary>Null: there is none. Where the server does not know the type, an <see cref="ApiException"/> with <see cref="ApiException.IsNotFound"/>.</summary>
    public async Task<T?> GetAsync(ResourceKey key, CancellationToken ct)
    {
        try
        {
            return await _connection.ExchangeAsync(HttpMethod.Get, Path(key), null, ReadAsync<T>, ct);
        }
        catch (ApiException e) when (IsNoSuchObject(e))
        {
            return null;
        }
    }

    /// <summary>The first page, or the one that <see cref="ListRequest.Continue"/> names.</summary>
    public async Task<ResourcePage<T>> ListAsync(ListRequest request, CancellationToken ct)
    {
        var query = new Query()
            .Add("labelSelector", request.LabelSelector)
            .Add("fieldSelector", request.FieldSelector)
            .Add("limit", request.Limit)
            .Add("continue", request.Continue)
            .Add("resourceVersion", request.ResourceVersion);
        var list = await _connection.ExchangeAsync(HttpMethod.Get, $"{Path(request.Namespace)}{query}", null, ReadAsync<ListBody>, ct);
        var items = new List<T>(list.Items?.Count ?? 0);
        foreach (var item in list.Items ?? [])
            if (item.Value is { } value)
                items.Add(value);
            else
                OnUnreadable?.Invoke(item.Unreadable!);
        return new ResourcePage<T>(items, list.Metadata?.ResourceVersion ?? "", list.Metadata?.Continue is { Length: > 0 } next ? next : null);
    }

    /// <summary>
    /// Ends when the server ends it. What the server sends as an error is thrown; an expired version is an <see cref="ApiException"/> with
    /// <see cref="ApiException.IsExpired"/>, whether it comes as an answer or as an event.
    /// </summary>
    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync(WatchRequest request, [EnumeratorCancellation] CancellationToken ct)
    {
        var query = new Query()
            .Add("watch", "true")
            .Add("allowWatchBookmarks", "true")
            .Add("resourceVersion", request.ResourceVersion)
            .Add("labelSelector", request.LabelSelector)
            .Add("fieldSelector", request.FieldSelector)
            .Add("timeoutSeconds", request.Timeout is { } timeout ? (int)Math.Max(1, timeout.TotalSeconds) : null);
        var path = $"{Path(request.Namespace)}{query}";
        using var response = await _connection.OpenAsync(path, ct);
        await using var body = await response.Content.ReadAsStreamAsync(ct);
        var lines = PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: 16 * 1024));
        try
        {
            while (await NextLineAsync(lines, path, ct) is var (line, next, isLast))
            {
                if (ReadEvent(line, path) is { } change)
                    yield return change;
                lines.AdvanceTo(next);
                if (isLast)
                    break;
            }
        }
        finally
        {
            await lines.CompleteAsync();
        }
    }

    /// <summary>Creates what <paramref name="body"/> serialises to (apiVersion and kind are filled in).</summary>
    public Task<T> CreateAsync(object body, string? @namespace, CancellationToken ct)
    {
        var node = JsonSerializer.SerializeToNode(body, ResourceJson.Options) as JsonObject
            ?? throw new ArgumentException($"{body.GetType().Name} does not serialise to a JSON object", nameof(body));
        return _connection.ExchangeAsync(HttpMethod.Post, Path(@namespace), Content(Named(node), "application/json"), ReadAsync<T>, ct);
    }

    public Task<T> PatchAsync(ResourceKey key, ResourcePatch patch, CancellationToken ct) => PatchAsync(Path(key), patch, ct);

    public Task<T> PatchStatusAsync(ResourceKey key, ResourcePatch patch, CancellationToken ct) => PatchAsync($"{Path(key)}/status", patch, ct);

    /// <summary>False: there was none, or it has another UID than <see cref="DeleteRequest.Uid"/>.</summary>
    public async Task<bool> DeleteAsync(ResourceKey key, DeleteRequest request, CancellationToken ct)
    {
        var options = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "DeleteOptions" };
        if (request.Uid is { } uid)
            options["preconditions"] = new JsonObject { ["uid"] = uid };
        if (request.Propagation is { } propagation)
            options["propagationPolicy"] = propagation;
        try
        {
            return await _connection.ExchangeAsync(
                HttpMethod.Delete, Path(key), Content(options, "application/json"), static (_, _) => ValueTask.FromResult(true), ct);
        }
        catch (ApiException e) when (IsNoSuchObject(e) || (request.Uid is not null && e.IsConflict))
        {
            return false;
        }
    }

    // A path that the server does not know has a 404 without a reason.
    private static bool IsNoSuchObject(ApiException e) => e is { IsNotFound: true, Reason: "NotFound" };

    private static async ValueTask<TBody> ReadAsync<TBody>(Stream body, CancellationToken ct) =>
        await JsonSerializer.DeserializeAsync<TBody>(body, ResourceJson.Options, ct) ?? throw new JsonException("null");

    private static ByteArrayContent Content(object body, string mediaType)
    {
        var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, ResourceJson.Options));
        content.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
        return content;
    }

    private Task<T> PatchAsync(string path, ResourcePatch patch, CancellationToken ct)
    {
        var (query, content) = patch switch
        {
            ResourcePatch.Merge merge => (new Query(), Content(merge.Body, "application/merge-patch+json")),
            ResourcePatch.Json json => (new Query(), Content(json.Operations, "application/json-patch+json")),
            ResourcePatch.Apply apply => (
                new Query().Add("fieldManager", apply.FieldManager).Add("force", apply.Force ? "true" : "false"),
                // JSON is YAML.
                Content(Named((JsonObject)JsonSerializer.SerializeToNode(apply.Body, ResourceJson.Options)!), "application/apply-patch+yaml")),
            _ => throw new ArgumentException($"{patch.GetType().Name} is no patch", nameof(patch)),
        };
        return _connection.ExchangeAsync(HttpMethod.Patch, $"{path}{query}", content, ReadAsync<T>, ct);
    }

    private async Task<(ReadOnlySequence<byte> Line, SequencePosition Next, bool IsLast)?> NextLineAsync(PipeReader lines, string path, CancellationToken ct)
    {
        while (true)
        {
            ReadResult read;
            try
            {
                read = await lines.ReadAsync(ct);
            }
            catch (Exception e) when (_connection.Translate(e, HttpMethod.Get, path, ct) is { } translated)
            {
                throw translated;
            }
            if (read.Buffer.PositionOf((byte)'\n') is { } end)
                return (read.Buffer.Slice(0, end), read.Buffer.GetPosition(1, end), false);
            if (read.IsCompleted)
                return read.Buffer.IsEmpty ? null : (read.Buffer, read.Buffer.End, true);
            if (read.Buffer.Length > LongestWatchEvent)
                throw new ApiException(null, "Unreadable", $"GET {path}: an event of more than {LongestWatchEvent} bytes");
            lines.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    private WatchEvent<T>? ReadEvent(ReadOnlySequence<byte> line, string path)
    {
        try
        {
            var reader = new Utf8JsonReader(line);
            var body = JsonSerializer.Deserialize<EventBody<ReadItem<T>>>(ref reader, ResourceJson.Options);
            WatchEventKind? kind = body?.Type switch
            {
                "ADDED" => WatchEventKind.Added,
                "MODIFIED" => WatchEventKind.Modified,
                "DELETED" => WatchEventKind.Deleted,
                "BOOKMARK" => WatchEventKind.Bookmark,
                _ => null,
            };
            if (body?.Type == "ERROR")
            {
                var again = new Utf8JsonReader(line);
                throw (JsonSerializer.Deserialize<EventBody<ApiStatus>>(ref again, ResourceJson.Options)?.Object ?? new ApiStatus()).ToException();
            }
            if (kind is null)
                return null;
            if (body!.Object.Value is { } value)
                return new WatchEvent<T>(kind.Value, value);
            OnUnreadable?.Invoke(body.Object.Unreadable ?? new UnreadableObject(default, "the event has no object"));
            return null;
        }
        catch (JsonException e)
        {
            throw _connection.Translate(e, HttpMethod.Get, path, CancellationToken.None)!;
        }
    }

    private JsonObject Named(JsonObject body)
    {
        body["apiVersion"] = type.ApiVersion;
        body["kind"] = type.Kind;
        return body;
    }

    private string Path(string? @namespace)
    {
        var root = type.Group.Length == 0 ? $"api/{type.Version}" : $"apis/{type.Group}/{type.Version}";
        return @namespace is null || !type.IsNamespaced ? $"{root}/{type.Plural}" : $"{root}/namespaces/{Uri.EscapeDataString(@namespace)}/{type.Plural}";
    }

    private string Path(ResourceKey key)
    {
        if (type.IsNamespaced && key.Namespace is null)
            throw new ArgumentException($"{type} {key.Name} needs a namespace", nameof(key));
        return $"{Path(key.Namespace)}/{Uri.EscapeDataString(key.Name)}";
    }

    private sealed class Query
    {
        private readonly StringBuilder _text = new();

        public Query Add(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
                _text.Append(_text.Length == 0 ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(value));
            return this;
        }

        public Query Add(string name, int? value) => Add(name, value?.ToString(CultureInfo.InvariantCulture));

        public override string ToString() => _text.ToString();
    }

    private sealed record ListMeta(string? ResourceVersion, string? Continue);

    private sealed record ListBody(ListMeta? Metadata, List<ReadItem<T>>? Items);

    private sealed record EventBody<TObject>(string? Type, TObject? Object);
}

public sealed record ListRequest
{
    public string? Namespace { get; init; }

    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    /// <summary>The most items of a page; null: all.</summary>
    public int? Limit { get; init; }

    public string? Continue { get; init; }

    /// <summary><c>0</c>: what the server's cache has; null: the newest.</summary>
    public string? ResourceVersion { get; init; }
}

public sealed record ResourcePage<T>(IReadOnlyList<T> Items, string ResourceVersion, string? Continue);

public sealed record WatchRequest(string ResourceVersion)
{
    public string? Namespace { get; init; }

    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    /// <summary>After this the server ends the watch.</summary>
    public TimeSpan? Timeout { get; init; }
}

public enum WatchEventKind
{
    Added,
    Modified,
    Deleted,
    Bookmark,
}

public sealed record WatchEvent<T>(WatchEventKind Kind, T Object);

/// <summary>How to change an object.</summary>
public abstract record ResourcePatch
{
    /// <summary>RFC 7386. With <c>metadata.resourceVersion</c> in it, a conflict is refused.</summary>
    public sealed record Merge(object Body) : ResourcePatch;

    /// <summary>RFC 6902.</summary>
    public sealed record Json(object Operations) : ResourcePatch;

    /// <summary>Server-side apply.</summary>
    public sealed record Apply(object Body, string FieldManager, bool Force = true) : ResourcePatch;
}

/// <param name="Uid">Delete only the object that has this UID.</param>
/// <param name="Propagation"><c>Background</c>, <c>Foreground</c>, <c>Orphan</c>.</param>
public sealed record DeleteRequest(string? Uid = null, string? Propagation = null);
