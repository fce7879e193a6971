using Premortem.Profiles.Nettrace;

namespace Premortem.Profiles.Heaps;

/// <summary>
/// Estimates what was allocated, by type, from the runtime's samples: AllocationSampled, which .NET 10 has, or GCAllocationTick before it.
/// Feed it from a <see cref="NettraceReader"/>.
/// </summary>
public sealed class AllocationTable
{
    /// <summary>What asks a runtime of .NET 10 or later for samples, at the level of information (4).</summary>
    public const ulong SampleKeywords = 0x80000000000;

    /// <summary>What asks any runtime for ticks, at the level verbose (5).</summary>
    public const ulong TickKeywords = 0x1;

    // Each byte is the sampled one with this probability: docs/design/features/RandomizedAllocationSampling.md of dotnet/runtime.
    private const double Probability = 1.0 / 102_400;

    // Nothing larger exists; what a stream claims must not drown all else.
    private const double MaxObjectBytes = 1L << 40;

    private readonly TypeTally _samples = new();
    private readonly TypeTally _ticks = new();

    /// <summary>The samples and ticks taken so far.</summary>
    public long Count { get; private set; }

    public void OnEvent(in NettraceEvent item)
    {
        if (!item.Type.IsRuntime)
            return;
        if (item.Type.EventId == RuntimeEvents.AllocationSampled)
            OnSample(item);
        else if (item.Type.EventId == RuntimeEvents.GCAllocationTick)
            OnTick(item);
    }

    /// <param name="measure">What was counted, in words.</param>
    /// <param name="isPartial">Whether events were dropped, or the recording was cut.</param>
    /// <param name="maxRows">How many types at most; the sums are of all.</param>
    public TypeTable ToTable(string measure, bool isPartial, int maxRows = TypeTable.MaxRows) =>
        (_samples.IsEmpty ? _ticks : _samples).ToTable(measure, isPartial, maxRows);

    private void OnSample(in NettraceEvent item)
    {
        var pointer = item.Stream.PointerSize;
        var reader = new PayloadReader(item.Payload);
        reader.Take(4 + 2);
        var type = reader.Pointer(pointer);
        var name = reader.Text();
        _ = reader.Pointer(pointer);
        var bytes = Math.Clamp(reader.UInt64(), 1, MaxObjectBytes);
        if (reader.IsShort)
            return;
        // An object is sampled where one of its bytes is: the larger, the likelier. What was seen stands for 1/p of its like.
        var objects = 1 / (1 - Math.Pow(1 - Probability, bytes));
        Count++;
        _samples.Name(type, name);
        _samples.Add(type, objects, objects * bytes);
    }

    private void OnTick(in NettraceEvent item)
    {
        var pointer = item.Stream.PointerSize;
        var reader = new PayloadReader(item.Payload);
        reader.Take(4 + 4 + 2);
        var amount = Math.Clamp(reader.UInt64(), 1, MaxObjectBytes);
        var type = reader.Pointer(pointer);
        var name = reader.Text();
        if (reader.IsShort)
            return;
        // From version 4 on, the object's own size: what was allocated since the last tick is taken to be all of its kind.
        reader.Take(4 + pointer);
        var bytes = reader.UInt64();
        Count++;
        _ticks.Name(type, name);
        _ticks.Add(type, reader.IsShort || bytes == 0 ? 1 : Math.Max(1, amount / bytes), amount);
    }
}
