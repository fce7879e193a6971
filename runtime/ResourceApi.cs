using k8s;

namespace Premortem.Runtime;

/// <summary>One type of resource on the API server: list, watch, get, create, patch, delete. Errors are <see cref="ApiException"/>.</summary>
public sealed class ResourceApi<T>(IKubernetes client, ResourceType type)
    where T : class, IResource
{
    public ResourceType Type => type;

    /// <summary>Null: there is none.</summary>
    public Task<T?> GetAsync(ResourceKey key, CancellationToken ct) => throw new NotImplementedException($"{client}");

    /// <summary>The first page, or the one that <see cref="ListRequest.Continue"/> names.</summary>
    public Task<ResourcePage<T>> ListAsync(ListRequest request, CancellationToken ct) => throw new NotImplementedException();

    /// <summary>Ends when the server ends it; an expired version is an <see cref="ApiException"/> with <see cref="ApiException.IsExpired"/>.</summary>
    public IAsyncEnumerable<WatchEvent<T>> WatchAsync(WatchRequest request, CancellationToken ct) => throw new NotImplementedException();

    /// <summary>Creates what <paramref name="body"/> serialises to (apiVersion and kind are filled in).</summary>
    public Task<T> CreateAsync(object body, string? @namespace, CancellationToken ct) => throw new NotImplementedException();

    public Task<T> PatchAsync(ResourceKey key, ResourcePatch patch, CancellationToken ct) => throw new NotImplementedException();

    public Task<T> PatchStatusAsync(ResourceKey key, ResourcePatch patch, CancellationToken ct) => throw new NotImplementedException();

    /// <summary>False: there was none.</summary>
    public Task<bool> DeleteAsync(ResourceKey key, DeleteRequest request, CancellationToken ct) => throw new NotImplementedException();
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
