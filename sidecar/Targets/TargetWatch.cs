using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Sidecar.Captures;
using Premortem.Sidecar.Memory;
using Premortem.Sidecar.Triggers;

namespace Premortem.Sidecar.Targets;

/// <summary>One target under watch, through all its lives. Only the sampling thread touches it.</summary>
internal sealed class TargetWatch(string key, string container, TriggerEngine engine) : IDisposable
{
    /// <summary>While something is captured, and while it is awaited whether the target survives, the timeline is kept this fine.</summary>
    internal static readonly TimeSpan LongestWhileCapturing = TimeSpan.FromMilliseconds(50);

    private readonly SamplingRate _rate = new();
    private readonly RuntimeCeiling _ceiling = new();

    public string Key { get; } = key;

    public string Container { get; } = container;

    public TriggerEngine Engine { get; } = engine;

    /// <summary>What holds for it now, or held last.</summary>
    public required EffectivePolicy Policy { get; set; }

    public ProfilePolicySpec Spec => Policy.Spec;

    /// <summary>Whose captures are that no trigger of a policy asks for.</summary>
    public required PolicyReference First { get; set; }

    /// <summary>Whether a policy watches it. Otherwise somebody has asked for a capture of it, or captures from before still go on.</summary>
    public bool IsWatched { get; set; } = true;

    /// <summary>What the profiles of the present life were looked for by.</summary>
    public (RuntimeKind Runtime, GoOptions Go) ProbedBy { get; set; }

    /// <summary>A limit given by hand, for targets whose cgroup has none, or a higher one; null: none.</summary>
    public long? LimitByHandBytes { get; init; }

    /// <summary>The container's limit as its pod has it, for where no cgroup says one; null: none.</summary>
    public long? PodLimitBytes { get; set; }

    /// <summary>What counts beside the limit that was read.</summary>
    public long? GivenLimit(in MemoryReading reading) => LimitByHandBytes ?? (reading.LimitBytes is null ? PodLimitBytes : null);

    public MemoryTimeline Timeline { get; } = new();

    /// <summary>What captures have cost, through all its lives.</summary>
    public CaptureCosts Costs { get; } = new();

    public IReadOnlyList<int> Pids { get; set; } = [];

    public IMemorySource? Memory { get; private set; }

    /// <summary>The id of the cgroup that <see cref="Memory"/> reads.</summary>
    public string? CgroupId { get; private set; }

    public TargetLife? Life { get; private set; }

    public int Incarnation { get; private set; }

    /// <summary>When the main process that ended last had started.</summary>
    public long? EndedStartTicks { get; private set; }

    public MemorySample? Last { get; private set; }

    /// <summary>When the next sample is due, monotonic.</summary>
    public TimeSpan DueAt { get; set; }

    /// <summary>The captures of this target that are under way, those that only await its outcome included.</summary>
    public List<(CaptureSession Session, Task Run)> Sessions { get; } = [];

    /// <summary>The cgroup's kills when this life began.</summary>
    public long? OomKillsBefore { get; set; }

    /// <summary>When the counter rose while the main process lived on: it may be about to die, or another process was killed.</summary>
    public TimeSpan? KillSeenAt { get; set; }

    /// <summary>When a kill was taken for another process's, and the counter before it: a process that is large, or has no CPU, takes a while to die.</summary>
    public (TimeSpan At, long? Before)? KillOfAnother { get; set; }

    /// <summary>The last tenth of the ceiling that was told to the log.</summary>
    public int ToldTenth { get; set; }

    public bool ToldNoLimit { get; set; }

    /// <summary>A new process is this target's from now on. Its memory is read anew: a restarted container has another cgroup.</summary>
    public void Begin(TargetLife life, IMemorySource memory, string? cgroupId, bool isNewLife)
    {
        if (Memory != memory)
            Memory?.Dispose();
        (Memory, CgroupId) = (memory, cgroupId);
        Life = life;
        if (isNewLife)
        {
            Incarnation = life.Identity.Incarnation;
            Engine.StartIncarnation();
            (Last, KillSeenAt, KillOfAnother, ToldTenth) = (null, null, null, 0);
            _ceiling.Reset();
        }
        OomKillsBefore = ReadOomKills();
        DueAt = TimeSpan.Zero;
    }

    /// <summary>The process lives on in another cgroup: its memory is another, and what the old one did says nothing about it.</summary>
    public void MoveTo(IMemorySource memory, string? cgroupId)
    {
        if (Memory != memory)
            Memory?.Dispose();
        (Memory, CgroupId) = (memory, cgroupId);
        Engine.StartIncarnation();
        _ceiling.Reset();
        (OomKillsBefore, ToldTenth, DueAt) = (ReadOomKills(), 0, TimeSpan.Zero);
    }

    /// <summary>The life is over. What captures still hold of it is disposed of when they are done.</summary>
    public void End() => (EndedStartTicks, Life) = (Life?.StartTicks, null);

    public long? ReadOomKills() => Memory is CgroupMemory cgroup ? cgroup.ReadOomKills() : null;

    /// <summary>A reading with the ceiling that matters to this life.</summary>
    public MemorySample SampleOf(DateTimeOffset at, TimeSpan elapsed, in MemoryReading reading)
    {
        var heap = Life?.Heap;
        // Go's own limit is a soft one: nothing ends there.
        var heapLimit = Life?.Identity.Runtime is { Kind: RuntimeKind.DotNet, HeapLimitBytes: { } bytes } ? bytes : (long?)null;
        var ceiling = _ceiling.Of(reading, at, reading.Ceiling(GivenLimit(reading)), heapLimit, heap);
        return new MemorySample(at, elapsed, reading, ceiling) { HeapAfterGcBytes = heap?.AfterCollectionBytes, OutsideHeapBytes = _ceiling.OutsideHeapBytes };
    }

    /// <summary>Takes in one sample: what to do about it comes back.</summary>
    public IReadOnlyList<TriggerDecision> Judge(in MemorySample sample)
    {
        Timeline.Add(sample);
        Last = sample;
        return Engine.Decide(sample);
    }

    /// <summary>How long until the next sample.</summary>
    public TimeSpan NextWait(in MemorySample sample, TimeSpan cost, bool isThrottled)
    {
        var wait = _rate.Next(sample, Engine.LowestThreshold(sample.CeilingBytes), Engine.TimeToCeiling, cost, isThrottled);
        if (Sessions.Count > 0 && wait > LongestWhileCapturing)
            wait = LongestWhileCapturing;
        // A schedule does not wait for memory to be interesting.
        return Engine.DueAt() - sample.At is { } due && due < wait ? Later(due, SamplingRate.Shortest) : wait;
    }

    private static TimeSpan Later(TimeSpan a, TimeSpan b) => a > b ? a : b;

    public MemoryAtTrigger MemoryNow() => Last is { } last
        ? new MemoryAtTrigger(last.Reading.WorkingSetBytes, last.Reading.UsageBytes, last.Reading.LimitBytes, last.CeilingBytes, Memory?.Name ?? "none") { OutsideHeapBytes = _ceiling.OutsideHeapBytes }
        : new MemoryAtTrigger(0, 0, null, null, Memory?.Name ?? "none");

    public void Dispose()
    {
        Memory?.Dispose();
        Life?.Dispose();
    }
}
