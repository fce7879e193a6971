using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// Tells what a runtime's heap takes: after each collection, from the events of the keyword GC (0x1) at the level of information (4); and
/// between collections, from the counters of <c>System.Runtime</c>, where they are asked for. Feed it from a <see cref="NettraceReader"/>.
/// </summary>
/// <param name="onUse">Called after each collection that told what is committed, and with each round of counters.</param>
public sealed class HeapUseReader(Action<HeapUse> onUse)
{
    /// <summary>The provider of the counters.</summary>
    public const string Counters = "System.Runtime";

    private const string CountersEvent = "EventCounters";
    private const int Generations = 5;
    private const int FieldsOfGeneration = 10;
    private const double Megabyte = 1e6;

    /// <summary>The counters do not tell how many large objects may be made until a collection; this many, before there was one.</summary>
    private const long LargeObjectBudget = 8L << 20;

    // Small objects are made in generation 0, large and pinned ones in 3 and 4.
    private static readonly int[] s_allocatedIn = [0, 3, 4];

    private long? _committed;
    private long? _budget;
    private Size? _counted;
    private long? _countedCommitted;
    private long? _countedBudget;
    private long? _lastBudget;

    private sealed record Size(DateTimeOffset At, long Bytes);

    public void OnEvent(in NettraceEvent item)
    {
        if (item.Type.IsRuntime)
            OnRuntimeEvent(item);
        else if (item.Type.Name == CountersEvent && item.Type.Provider == Counters)
            OnCounter(item);
    }

    private void OnRuntimeEvent(in NettraceEvent item)
    {
        switch (item.Type.EventId)
        {
            case RuntimeEvents.GCPerHeapHistory:
                OnPerHeapHistory(item);
                break;
            case RuntimeEvents.GCDynamic:
                OnDynamic(item);
                break;
            case RuntimeEvents.GCHeapStats:
                _lastBudget = _budget ?? _lastBudget;
                if (_committed is { } committed)
                    onUse(new HeapUse { At = item.Stream.TimeOf(item.Timestamp), CommittedBytes = committed, BudgetBytes = _budget });
                (_committed, _budget) = (null, null);
                break;
        }
    }

    /// <summary>One event a heap: a server GC has several.</summary>
    private void OnPerHeapHistory(in NettraceEvent item)
    {
        var pointer = item.Stream.PointerSize;
        var reader = new PayloadReader(item.Payload);
        reader.Take(2 + 6 * pointer + 6 * 4 + pointer);
        if (reader.UInt32() != Generations)
            return;
        long budget = 0;
        for (var generation = 0; generation < Generations; generation++)
        {
            reader.Take((FieldsOfGeneration - 1) * pointer);
            // What is overdrawn is negative.
            var left = pointer == 8 ? reader.Int64() : reader.Int32();
            if (left > 0 && Array.IndexOf(s_allocatedIn, generation) >= 0)
                budget = Add(budget, left);
        }
        if (!reader.IsShort)
            _budget = Add(_budget ?? 0, budget);
    }

    /// <summary><c>CommittedUsage</c>: a version, then what is in use, what is to be given back, what is free and kept, the same for all heaps together, and the books.</summary>
    private void OnDynamic(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        if (!reader.Text().SequenceEqual("CommittedUsage") || reader.UInt32() < 42 || reader.UInt16() < 1)
            return;
        long sum = 0;
        for (var i = 0; i < 5; i++)
            sum = Add(sum, Math.Max(0, reader.Int64()));
        if (!reader.IsShort)
            _committed = sum;
    }

    /// <summary>A counter is its name, its name for people, and its mean in the interval, which for these is their value.</summary>
    private void OnCounter(in NettraceEvent item)
    {
        var reader = new PayloadReader(item.Payload);
        var name = reader.Text();
        reader.Text();
        var mean = BitConverter.Int64BitsToDouble(reader.Int64());
        if (reader.IsShort || double.IsNaN(mean))
            return;
        var bytes = (long)(Math.Clamp(mean, 0, 1e9) * Megabyte);
        switch (name)
        {
            case "gc-committed":
                _countedCommitted = bytes;
                break;
            case "gen-0-gc-budget":
                _countedBudget = Add(bytes, LargeObjectBudget);
                break;
            case "gc-heap-size":
                // Runtimes before .NET 8 do not count all three.
                if (_counted is not null)
                    OnCounted();
                _counted = new Size(item.Stream.TimeOf(item.Timestamp), bytes);
                break;
            default:
                return;
        }
        if (_countedCommitted is not null && _countedBudget is not null)
            OnCounted();
    }

    /// <summary>
    /// The counters of one round come in an order that nobody promises. What is committed is as it was after the last collection; what was
    /// allocated since is in the size.
    /// </summary>
    private void OnCounted()
    {
        if (_counted is not { } counted)
            return;
        _counted = null;
        onUse(new HeapUse
        {
            At = counted.At,
            CommittedBytes = Math.Max(counted.Bytes, _countedCommitted ?? 0),
            BudgetBytes = _countedBudget is { } budget ? Math.Max(budget, _lastBudget ?? 0) : null,
        });
    }

    /// <summary>A hostile stream may say anything.</summary>
    private static long Add(long a, long b) => a > long.MaxValue - b ? long.MaxValue : a + b;
}
