using System.Globalization;

namespace Premortem.Sidecar.Memory;

/// <summary>
/// What memory did: the last samples as they were taken, and an hour at one a second. Written by the sampling thread, read by
/// captures. It holds a fixed number of points whatever the rate.
/// </summary>
internal sealed class MemoryTimeline
{
    private const int FinePoints = 4096;
    private const int CoarsePoints = 3600;
    private static readonly TimeSpan CoarseSpacing = TimeSpan.FromSeconds(1);

    private readonly Queue<MemorySample> _fine = new();
    private readonly Queue<MemorySample> _coarse = new();
    private readonly Lock _lock = new();
    private MemorySample? _last;
    private TimeSpan? _lastCoarse;

    public void Add(in MemorySample sample)
    {
        lock (_lock)
        {
            _last = sample;
            _fine.Enqueue(sample);
            if (_fine.Count > FinePoints)
                _fine.Dequeue();
            if (_lastCoarse is { } last && sample.Elapsed - last < CoarseSpacing)
                return;
            _lastCoarse = sample.Elapsed;
            _coarse.Enqueue(sample);
            if (_coarse.Count > CoarsePoints)
                _coarse.Dequeue();
        }
    }

    /// <summary>Everything that is kept, oldest first: coarse until the fine samples begin.</summary>
    public IReadOnlyList<MemorySample> Snapshot()
    {
        lock (_lock)
        {
            var fineStart = _fine.Count > 0 ? _fine.Peek().Elapsed : TimeSpan.MaxValue;
            return [.. _coarse.Where(sample => sample.Elapsed < fineStart), .. _fine];
        }
    }

    public MemorySample? Last
    {
        get
        {
            lock (_lock)
                return _last;
        }
    }

    /// <summary>By how much the working set rose at most above what it was at the beginning of a time; null where nobody looked.</summary>
    public long? Rise(DateTimeOffset from, DateTimeOffset to)
    {
        long? before = null, peak = null;
        lock (_lock)
            foreach (var sample in _fine)
            {
                if (sample.At > to)
                    break;
                var workingSet = sample.Reading.WorkingSetBytes;
                if (sample.At <= from)
                    before = workingSet;
                else
                    peak = Math.Max(peak ?? 0, workingSet);
            }
        return peak - before is { } rise ? Math.Max(0, rise) : null;
    }

    /// <summary>Writes samples as <c>memory.csv</c>; the columns are described in docs/reference/memory-csv.md.</summary>
    public static void WriteCsv(TextWriter csv, IReadOnlyList<MemorySample> samples, IReadOnlyList<MemoryEvent> events)
    {
        csv.Write("time,elapsed_seconds,working_set_bytes,usage_bytes,unreclaimable_bytes,limit_bytes,ceiling_bytes,oom_kills,heap_bytes,outside_heap_bytes,event\n");
        var next = 0;
        foreach (var sample in samples)
        {
            // An event goes with the first sample at or after it.
            var names = new List<string>();
            for (; next < events.Count && events[next].At <= sample.At; next++)
                names.Add(events[next].Name);
            Write(csv, sample, names);
        }
        if (next >= events.Count || samples.Count == 0)
            return;
        Write(csv, samples[^1] with { At = events[^1].At, Elapsed = samples[^1].Elapsed + (events[^1].At - samples[^1].At) }, events.Skip(next).Select(item => item.Name));
    }

    private static void Write(TextWriter csv, in MemorySample sample, IEnumerable<string> events)
    {
        var reading = sample.Reading;
        csv.Write(string.Create(
            CultureInfo.InvariantCulture,
            $"{sample.At.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss.fff'Z'},{sample.Elapsed.TotalSeconds:0.000},{reading.WorkingSetBytes},{reading.UsageBytes},{reading.UnreclaimableBytes},{reading.LimitBytes},{sample.CeilingBytes},{reading.OomKills},{sample.HeapAfterGcBytes},{sample.OutsideHeapBytes},{string.Join('+', events)}\n"));
    }
}
