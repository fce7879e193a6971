using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime;

/// <summary>
/// A local copy of all objects of one type, kept by list and watch, and told of every change. Reads never wait; before
/// <see cref="HasSynced"/> the copy is not whole.
/// </summary>
public sealed class Informer<T>(ResourceApi<T> api, InformerOptions<T> options, TimeProvider time, ILogger log)
    where T : class, IResource
{
    // A server that ends watches faster than this without a word is treated as one that fails.
    private static readonly TimeSpan ShortestWatch = TimeSpan.FromSeconds(1);

    // Namespace (or "") → name → object. Written under the lock only, read without it.
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, T>> _copy = new(1, 31);
    private readonly List<Action<T?, T?>> _handlers = [];
    private readonly Lock _dispatching = new();
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _objects, _failures;
    private long _relists, _watchErrors, _lastContact;
    private bool _saidMissing;

    public ResourceType Type => api.Type;

    /// <summary>Whether the first whole list is in the copy and the handlers have been told of it.</summary>
    public bool HasSynced => _synced.Task.IsCompleted;

    public InformerFigures Figures => new(
        Volatile.Read(ref _objects),
        Volatile.Read(ref _relists),
        Volatile.Read(ref _watchErrors),
        Volatile.Read(ref _lastContact) is var at and not 0 ? time.GetElapsedTime(at) : null);

    public Task WhenSyncedAsync(CancellationToken ct) => _synced.Task.WaitAsync(ct);

    public T? Get(ResourceKey key) =>
        _copy.TryGetValue(key.Namespace ?? "", out var names) && names.TryGetValue(key.Name, out var found) ? found : null;

    /// <summary>A snapshot. All namespaces where <paramref name="namespace"/> is null.</summary>
    public IReadOnlyCollection<T> List(string? @namespace = null)
    {
        if (@namespace is not null)
            return _copy.TryGetValue(@namespace, out var names) ? [.. names.Select(pair => pair.Value)] : [];
        var all = new List<T>(Volatile.Read(ref _objects));
        foreach (var (_, names) in _copy)
            foreach (var (_, value) in names)
                all.Add(value);
        return all;
    }

    /// <summary>
    /// Called in order, one at a time, for each change: (null, new), (old, new), (old, null); and with (same, same) at each resync. The copy
    /// has the change already. It must not wait. Register before <see cref="RunAsync"/>.
    /// </summary>
    public void OnChange(Action<T?, T?> handler) => _handlers.Add(handler);

    /// <summary>Until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        api.OnUnreadable ??= unreadable => Log.Unreadable(log, Type.ToString(), unreadable.Key.ToString(), unreadable.Problem);
        var resyncs = ResyncAsync(ct);
        string? version = null;
        try
        {
            while (true)
                version = await StepAsync(version, ct);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
        }
        await resyncs;
    }

    /// <summary>One list or one watch, and the wait after it where it failed.</summary>
    /// <returns>The version to go on from; null: a list is needed.</returns>
    private async Task<string?> StepAsync(string? version, CancellationToken ct)
    {
        var at = new Position(version);
        try
        {
            if (version is null)
                return await RelistAsync(ct);
            await WatchAsync(at, ct);
            return at.Version;
        }
        catch (ApiException e)
        {
            Interlocked.Increment(ref _watchErrors);
            _failures++;
            if (e.IsExpired && version is not null && _failures == 1)
                return null;
            var delay = options.Retry.Delay(_failures, Random.Shared.NextDouble());
            if (e.RetryAfter > delay)
                delay = e.RetryAfter.Value;
            Say(e, delay);
            await Task.Delay(delay, time, ct);
            // Whoever does not know the type any more does not know the version either.
            return e.IsExpired || e.IsNotFound ? null : at.Version;
        }
    }

    private async Task<string> RelistAsync(CancellationToken ct)
    {
        var (items, version) = await ListAllAsync(ct);
        Contact();
        Interlocked.Increment(ref _relists);
        lock (_dispatching)
        {
            var gone = new HashSet<ResourceKey>();
            foreach (var old in List())
                gone.Add(ResourceKey.Of(old));
            foreach (var item in items)
            {
                gone.Remove(ResourceKey.Of(item));
                Put_NeedsLock(item);
            }
            foreach (var key in gone)
                Remove_NeedsLock(key);
        }
        // Failures are forgotten by a watch that works: a server that lists and then has every watch expire is not to be asked at full speed.
        _saidMissing = false;
        if (_synced.TrySetResult())
            Log.Synced(log, Type.ToString(), items.Count);
        else
            Log.Relisted(log, Type.ToString(), items.Count);
        return version;
    }

    private async Task<(List<T> Items, string Version)> ListAllAsync(CancellationToken ct)
    {
        var first = new ListRequest
        {
            Namespace = options.Namespace,
            LabelSelector = options.LabelSelector,
            FieldSelector = options.FieldSelector,
            Limit = options.PageSize,
        };
        var items = new List<T>();
        var request = first;
        while (true)
        {
            ResourcePage<T> page;
            try
            {
                page = await api.ListAsync(request, ct);
            }
            catch (ApiException e) when (e.IsExpired && request.Continue is not null)
            {
                // The pages took longer than the server keeps versions: all in one.
                items.Clear();
                request = first with { Limit = null };
                continue;
            }
            foreach (var item in page.Items)
                items.Add(options.Trim is { } trim ? trim(item) : item);
            if (page.Continue is null)
                return (items, page.ResourceVersion);
            request = request with { Continue = page.Continue };
        }
    }

    private async Task WatchAsync(Position at, CancellationToken ct)
    {
        var started = time.GetTimestamp();
        var events = 0L;
        // Not all informers of all replicas at the same moment.
        var length = TimeSpan.FromMinutes(5 + (5 * Random.Shared.NextDouble()));
        using var silence = new CancellationTokenSource(options.LongestSilence, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, silence.Token);
        var request = new WatchRequest(at.Version!)
        {
            Namespace = options.Namespace,
            LabelSelector = options.LabelSelector,
            FieldSelector = options.FieldSelector,
            Timeout = length,
        };
        try
        {
            await foreach (var change in api.WatchAsync(request, either.Token))
            {
                silence.CancelAfter(options.LongestSilence);
                events++;
                _failures = 0;
                Contact();
                if (change.Object.Metadata.ResourceVersion is { Length: > 0 } version)
                    at.Version = version;
                Apply(change);
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new ApiException(null, "Timeout", $"watch of {Type}: nothing came for {options.LongestSilence.TotalSeconds:0} s");
        }
        if (events == 0 && time.GetElapsedTime(started) < ShortestWatch)
            throw new ApiException(null, null, $"watch of {Type}: the server ended it at once");
        _failures = 0;
        Contact();
    }

    private void Apply(WatchEvent<T> change)
    {
        lock (_dispatching)
            switch (change.Kind)
            {
                case WatchEventKind.Added or WatchEventKind.Modified:
                    Put_NeedsLock(options.Trim is { } trim ? trim(change.Object) : change.Object);
                    break;
                case WatchEventKind.Deleted:
                    Remove_NeedsLock(ResourceKey.Of(change.Object));
                    break;
            }
    }

    private void Put_NeedsLock(T item)
    {
        var key = ResourceKey.Of(item);
        var names = _copy.GetOrAdd(key.Namespace ?? "", static _ => new ConcurrentDictionary<string, T>(1, 7));
        if (names.TryGetValue(key.Name, out var old))
        {
            if (old.Metadata.Uid == item.Metadata.Uid)
            {
                if (old.Metadata.ResourceVersion == item.Metadata.ResourceVersion)
                    return;
                names[key.Name] = item;
                Tell(old, item);
                return;
            }
            // Another one of the same name: its deletion was not seen.
            Remove_NeedsLock(key);
            names = _copy.GetOrAdd(key.Namespace ?? "", names);
        }
        names[key.Name] = item;
        Volatile.Write(ref _objects, _objects + 1);
        Tell(null, item);
    }

    private void Remove_NeedsLock(ResourceKey key)
    {
        if (!_copy.TryGetValue(key.Namespace ?? "", out var names) || !names.TryRemove(key.Name, out var old))
            return;
        if (names.IsEmpty)
            _copy.TryRemove(key.Namespace ?? "", out _);
        Volatile.Write(ref _objects, _objects - 1);
        Tell(old, null);
    }

    private void Tell(T? old, T? now)
    {
        foreach (var handler in _handlers)
            try
            {
                handler(old, now);
            }
            catch (Exception e)
            {
                // The copy and the other handlers go on.
                Log.HandlerFailed(log, Type.ToString(), ResourceKey.Of((now ?? old)!).ToString(), e);
            }
    }

    private async Task ResyncAsync(CancellationToken ct)
    {
        if (options.Resync is not { } interval)
            return;
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(ct))
                lock (_dispatching)
                    foreach (var item in HasSynced ? List() : [])
                        Tell(item, item);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private void Say(ApiException e, TimeSpan delay)
    {
        if (!e.IsNotFound)
            Log.WatchFailed(log, Type.ToString(), e.Message, delay.TotalSeconds);
        else if (!_saidMissing)
            Log.TypeMissing(log, Type.ToString());
        _saidMissing |= e.IsNotFound;
    }

    // 0 stands for never.
    private void Contact() => Volatile.Write(ref _lastContact, Math.Max(1, time.GetTimestamp()));

    private sealed class Position(string? version)
    {
        public string? Version { get; set; } = version;
    }
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

    /// <summary>How long to wait after a failure.</summary>
    public Backoff Retry { get; init; } = new(TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(30));

    /// <summary>A watch that nothing came over for so long is dead, whatever TCP says: bookmarks come about each minute.</summary>
    public TimeSpan LongestSilence { get; init; } = TimeSpan.FromSeconds(150);
}
