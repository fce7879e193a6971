using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// Tells of each collection of a runtime from its events, of the keyword GC (0x1) at the level of information (4). Feed it from a
/// <see cref="NettraceReader"/>. Keeps nothing but the collections that are under way.
/// </summary>
/// <param name="onCollected">Called when a collection has ended and the program runs again.</param>
public sealed class GcStatsReader(Action<GcStats> onCollected)
{
    private const int Background = 1;

    // At most a background collection and one of the younger generations within it are under way at once.
    private Started? _foreground;
    private Started? _background;
    private Started? _ended;
    private long? _suspendedAt;
    private GcStats? _waiting;

    private sealed record Started(long Number, int Generation, GcReason Reason, bool IsBackground, long At);

    public void OnEvent(in NettraceEvent item)
    {
        if (!item.Type.IsRuntime)
            return;
        switch (item.Type.EventId)
        {
            case RuntimeEvents.GCSuspendEEBegin:
                Release(pause: null);
                _suspendedAt = item.Timestamp;
                break;
            case RuntimeEvents.GCStart:
                OnStart(item);
                break;
            case RuntimeEvents.GCEnd:
                OnEnd(item);
                break;
            case RuntimeEvents.GCHeapStats:
                OnHeapStats(item);
                break;
            case RuntimeEvents.GCRestartEEEnd:
                Release(_suspendedAt is { } from ? item.Stream.Between(from, item.Timestamp) : null);
                _suspendedAt = null;
                break;
        }
    }

    private void OnStart(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var (number, generation, reason, type) = (reader.UInt32(), reader.Int32(), reader.Int32(), reader.Int32());
        if (reader.IsShort)
            return;
        var started = new Started(number, generation, (GcReason)reason, type == Background, item.Timestamp);
        if (started.IsBackground)
            _background = started;
        else
            _foreground = started;
    }

    private void OnEnd(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var number = reader.UInt32();
        if (reader.IsShort)
            return;
        if (_background?.Number == number)
            (_ended, _background) = (_background, null);
        else if (_foreground?.Number == number)
            (_ended, _foreground) = (_foreground, null);
        else
            _ended = null;
    }

    private void OnHeapStats(in NettraceEvent item)
    {
        Release(pause: null);
        var reader = new PayloadReader(item.Payload);
        var generations = new long[5];
        for (var i = 0; i < 4; i++)
        {
            generations[i] = reader.Int64();
            _ = reader.Int64();
        }
        if (reader.IsShort)
            return;
        // What was finalized, pinned, in use by handles; then, from .NET 5 on, the heap of pinned objects.
        reader.Take(8 + 8 + 4 + 4 + 4 + 2);
        if (!reader.IsShort && reader.Left >= 8)
            generations[4] = reader.Int64();
        var of = _ended;
        _ended = null;
        _waiting = new GcStats
        {
            At = item.Stream.TimeOf(item.Timestamp),
            Number = of?.Number,
            Generation = of?.Generation,
            Reason = of?.Reason,
            IsBackground = of?.IsBackground ?? false,
            GenerationBytes = generations,
            Duration = of is null ? null : item.Stream.Between(of.At, item.Timestamp),
            Pause = null,
        };
        // Nobody stands still for a background collection's end; and without the events of the suspension there is nothing to wait for.
        if (_suspendedAt is null || _waiting.IsBackground)
            Release(pause: null);
    }

    private void Release(TimeSpan? pause)
    {
        var stats = _waiting;
        _waiting = null;
        if (stats is not null)
            onCollected(stats with { Pause = stats.IsBackground ? null : pause });
    }
}
