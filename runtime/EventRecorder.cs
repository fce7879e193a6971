using System.Security.Cryptography;
using System.Threading.Channels;
using k8s;
using Microsoft.Extensions.Logging;

namespace Premortem.Runtime;

/// <summary>
/// Events on objects, as <c>kubectl describe</c> shows them. Never waits and never fails its caller: what cannot be written is dropped and
/// counted. The same event again raises its count.
/// </summary>
public sealed class EventRecorder(IKubernetes client, string component, TimeProvider time, ILogger log)
{
    /// <summary>The API server refuses longer messages of newer events; the old ones are held to the same.</summary>
    internal const int LongestMessage = 1024;

    // Of one object so many at once, and then one a minute.
    internal const int Burst = 25;
    internal static readonly TimeSpan RefillEvery = TimeSpan.FromMinutes(1);
    internal const int MostWaiting = 1000;

    private const int MostRemembered = 4096;
    private const int MostAttempts = 5;
    private const int LongestName = 253 - 17;

    // After this the same is a new event; servers keep them for an hour.
    private static readonly TimeSpan SameFor = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan FlushFor = TimeSpan.FromSeconds(2);

    private readonly ResourceApi<Event> _events = new(client, Event.Type);
    private readonly Backoff _retry = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10));
    private readonly long _start = time.GetTimestamp();
    private readonly Lock _lock = new();
    private readonly Dictionary<EventKey, Entry> _entries = [];
    private readonly Dictionary<ObjectReference, TokenBucket> _buckets = [];
    private readonly Channel<Entry> _waiting = Channel.CreateBounded<Entry>(new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.Wait });
    private long _written, _dropped;

    /// <summary>How many were written: new ones and raised counts.</summary>
    public long Written => Volatile.Read(ref _written);

    /// <summary>How many were not: too many of one object, too many at once, or refused.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <param name="reason">One word from the table of reasons.</param>
    /// <param name="message">Cut at 1024 characters.</param>
    public void Record(ObjectReference about, EventKind kind, string reason, string message)
    {
        var key = new EventKey(about, kind, reason, message.Length <= LongestMessage ? message : $"{message[..(LongestMessage - 1)]}…");
        lock (_lock)
        {
            var now = time.GetElapsedTime(_start);
            if (!IsWithinRate_NeedsLock(about, now))
            {
                Interlocked.Increment(ref _dropped);
                return;
            }
            if (!_entries.TryGetValue(key, out var entry) || now - entry.LastAt > SameFor)
            {
                MakeRoom_NeedsLock(now);
                _entries[key] = entry = new Entry(key, NewName(about.Name), time.GetUtcNow());
            }
            entry.Count++;
            entry.Last = time.GetUtcNow();
            entry.LastAt = now;
            if (entry.IsWaiting)
                return;
            entry.IsWaiting = _waiting.Writer.TryWrite(entry);
            if (!entry.IsWaiting)
                Interlocked.Increment(ref _dropped);
        }
    }

    /// <summary>Writes what is recorded, until it is cancelled; then what is left, for a moment.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        try
        {
            await foreach (var entry in _waiting.Reader.ReadAllAsync(ct))
                await WriteAsync(entry, ct);
        }
        catch (OperationCanceledException)
        {
        }
        using var bounded = new CancellationTokenSource(FlushFor, time);
        try
        {
            while (_waiting.Reader.TryRead(out var entry))
                await WriteAsync(entry, bounded.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private static string NewName(string of) =>
        $"{(of.Length <= LongestName ? of : of[..LongestName]).TrimEnd('.', '-')}.{RandomNumberGenerator.GetHexString(16, lowercase: true)}";

    private async Task WriteAsync(Entry entry, CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            var snapshot = Take(entry);
            try
            {
                if (entry.IsCreated)
                    await _events.PatchAsync(snapshot.Key, new ResourcePatch.Merge(new { count = snapshot.Count, lastTimestamp = snapshot.Last }), ct);
                else
                    await _events.CreateAsync(Content(entry, snapshot), snapshot.Key.Namespace, ct);
                entry.IsCreated = true;
                Interlocked.Increment(ref _written);
                return;
            }
            catch (ApiException e) when (e.IsAlreadyExists && attempt < MostAttempts)
            {
                // The answer to the last attempt was lost.
                entry.IsCreated = true;
            }
            catch (ApiException e) when (e.IsNotFound && entry.IsCreated && attempt < MostAttempts)
            {
                // The server has let it go; it is written anew under the same name.
                entry.IsCreated = false;
            }
            catch (ApiException e) when (attempt < MostAttempts && e.Status is null or (System.Net.HttpStatusCode)429 or >= (System.Net.HttpStatusCode)500)
            {
                var delay = _retry.Delay(attempt, Random.Shared.NextDouble());
                try
                {
                    await Task.Delay(e.RetryAfter > delay ? e.RetryAfter.Value : delay, time, ct);
                }
                catch (OperationCanceledException)
                {
                    // One more time while what is left is written.
                    PutBack(entry);
                    throw;
                }
            }
            catch (ApiException e)
            {
                Interlocked.Increment(ref _dropped);
                Log.EventDropped(log, $"{entry.Key.About.Kind} {snapshot.Key.Namespace}/{entry.Key.About.Name}", entry.Key.Reason, e.Message);
                return;
            }
            catch (OperationCanceledException)
            {
                PutBack(entry);
                throw;
            }
        }
    }

    private void PutBack(Entry entry)
    {
        lock (_lock)
            if (!entry.IsWaiting)
                entry.IsWaiting = _waiting.Writer.TryWrite(entry);
    }

    private Snapshot Take(Entry entry)
    {
        lock (_lock)
        {
            entry.IsWaiting = false;
            // What stands in no namespace has its events in "default": the API insists.
            return new Snapshot(new ResourceKey(entry.Key.About.Namespace ?? "default", entry.Name), entry.Count, entry.Last);
        }
    }

    private Event Content(Entry entry, Snapshot snapshot) => new()
    {
        Metadata = new ObjectMeta { Name = entry.Name, Namespace = snapshot.Key.Namespace },
        InvolvedObject = new InvolvedObject(entry.Key.About.ApiVersion, entry.Key.About.Kind, entry.Key.About.Namespace, entry.Key.About.Name, entry.Key.About.Uid),
        Reason = entry.Key.Reason,
        Message = entry.Key.Message,
        Kind = entry.Key.Kind,
        Count = snapshot.Count,
        FirstTimestamp = entry.First,
        LastTimestamp = snapshot.Last,
        Source = new EventSource(component),
        ReportingComponent = component,
        ReportingInstance = Environment.MachineName,
    };

    private bool IsWithinRate_NeedsLock(ObjectReference about, TimeSpan now)
    {
        if (!_buckets.TryGetValue(about, out var bucket))
        {
            if (_buckets.Count >= MostRemembered)
                foreach (var (other, full) in _buckets)
                    if (full.IsFull(now))
                        _buckets.Remove(other);
            // As many objects as this with events at the same time: none of them is worth more than the others.
            if (_buckets.Count >= MostRemembered)
                return false;
            _buckets[about] = bucket = new TokenBucket(Burst, RefillEvery);
        }
        return bucket.TryTake(now);
    }

    private void MakeRoom_NeedsLock(TimeSpan now)
    {
        if (_entries.Count < MostRemembered)
            return;
        foreach (var (key, entry) in _entries)
            if (now - entry.LastAt > SameFor)
                _entries.Remove(key);
        if (_entries.Count >= MostRemembered)
            _entries.Remove(_entries.MinBy(pair => pair.Value.LastAt).Key);
    }

    private sealed record EventKey(ObjectReference About, EventKind Kind, string Reason, string Message);

    private readonly record struct Snapshot(ResourceKey Key, int Count, DateTimeOffset Last);

    private sealed class Entry(EventKey key, string name, DateTimeOffset first)
    {
        public EventKey Key => key;

        public string Name => name;

        public DateTimeOffset First => first;

        public int Count { get; set; }

        public DateTimeOffset Last { get; set; }

        public TimeSpan LastAt { get; set; }

        public bool IsWaiting { get; set; }

        public bool IsCreated { get; set; }
    }
}

public enum EventKind
{
    Normal,
    Warning,
}

/// <summary>What an event is about.</summary>
public sealed record ObjectReference(string ApiVersion, string Kind, string? Namespace, string Name, string? Uid);
