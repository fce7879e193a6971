using Microsoft.Extensions.Logging;

namespace Premortem.Runtime;

/// <summary>
/// A local copy of all objects of one type, kept by list and watch, and told of every change. Reads never wait; before
/// <see cref="HasSynced"/> the copy is not whole.
/// </summary>
public sealed class Informer<T>(ResourceApi<T> api, InformerOptions<T> options, TimeProvider time, ILogger log)
    where T : class, IResource
{
    public ResourceType Type => api.Type;

    public bool HasSynced => throw new NotImplementedException($"{options} {time} {log}");

    public Task WhenSyncedAsync(CancellationToken ct) => throw new NotImplementedException();

    public T? Get(ResourceKey key) => throw new NotImplementedException();

    /// <summary>A snapshot. All namespaces where <paramref name="namespace"/> is null.</summary>
    public IReadOnlyCollection<T> List(string? @namespace = null) => throw new NotImplementedException();

    /// <summary>
    /// Called in order, on the informer's own thread, for each change: (null, new), (old, new), (old, null); and with (same, same) at each resync. It must
    /// not wait. Register before <see cref="RunAsync"/>.
    /// </summary>
    public void OnChange(Action<T?, T?> handler) => throw new NotImplementedException($"{handler}");

    /// <summary>Until it is cancelled.</summary>
    public Task RunAsync(CancellationToken ct) => throw new NotImplementedException();
}

public sealed record InformerOptions<T>
{
    public string? Namespace { get; init; }

    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    public int PageSize { get; init; } = 500;

    /// <summary>How often every object is handed to the handlers again; null: never.</summary>
    public TimeSpan? Resync { get; init; }

    /// <summary>Makes an object smaller before it is kept.</summary>
    public Func<T, T>? Trim { get; init; }
}
