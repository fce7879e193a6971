using Premortem.Contracts;
using Premortem.Contracts.Policies;
using Premortem.Profiles.Heaps;
using Premortem.Profiles.Nettrace;
using Premortem.Sidecar.Diagnostics;

namespace Premortem.Sidecar.Captures;

/// <summary>What one kind of EventPipe session asks for, and what is made of its events while they pass by.</summary>
internal abstract class DotNetRecording
{
    private const uint Informational = 4;
    private const uint Verbose = 5;

    // Methods and the modules that they are in: what was compiled meanwhile, and at the end all that is there. The keywords that
    // dotnet-trace adds bring four events for each sample, which no view of CPU time shows.
    private const ulong LoaderJitNGen = 0x38;
    private const ulong GcOnly = 0x1;

    /// <summary>What dotnet-trace has a session end with: methods, modules, and no more.</summary>
    private const ulong MethodRundown = 0x80020139;

    public abstract IReadOnlyList<EventPipeProvider> Providers { get; }

    public virtual ulong RundownKeywords => 0;

    public virtual bool WithStacks => false;

    public virtual bool IsCompressed => false;

    /// <summary>Takes the names of types, which come by a session of their own; null: it needs none.</summary>
    public virtual NettraceEventConsumer? OnTypeNames => null;

    /// <summary>Whether all has come, so that the session may end before its time.</summary>
    public virtual bool HasEnded => false;

    /// <summary>Whether anything came that is worth keeping.</summary>
    public abstract bool HasContent { get; }

    /// <summary>For how long the session goes on; null: until <see cref="HasEnded"/>.</summary>
    public TimeSpan? Duration { get; private init; }

    public abstract void OnEvent(in NettraceEvent item);

    /// <param name="isCut">Whether the stream ended before it should have.</param>
    public virtual TypeTable? Types(long dropped, bool isCut) => null;

    /// <exception cref="ArgumentOutOfRangeException">The step is no recording.</exception>
    public static DotNetRecording Of(PlannedCapture step) => (step.Type, step.Variant) switch
    {
        (CaptureType.Heap, CaptureVariant.Snapshot or CaptureVariant.PartialSnapshot or null) => new Heap(),
        (CaptureType.Heap, CaptureVariant.AllocationSamples) => new Allocations(AllocationTable.SampleKeywords, Informational) { Duration = step.Duration ?? CaptureRequest.DefaultCpuDuration },
        (CaptureType.Heap, CaptureVariant.AllocationTicks) => new Allocations(AllocationTable.TickKeywords, Verbose) { Duration = step.Duration ?? CaptureRequest.DefaultCpuDuration },
        (CaptureType.Cpu, _) => new Cpu { Duration = step.Duration ?? CaptureRequest.DefaultCpuDuration },
        (CaptureType.GcTrace, _) => new Collections { Duration = step.Duration ?? CaptureRequest.DefaultTraceDuration },
        _ => throw new ArgumentOutOfRangeException(nameof(step), step, "is no recording"),
    };

    private sealed class Heap : DotNetRecording
    {
        private readonly HeapSnapshotTable _table = new();

        public override IReadOnlyList<EventPipeProvider> Providers => [new(EventPipeProvider.Runtime, HeapSnapshotTable.Keywords, HeapSnapshotTable.Level)];

        public override bool IsCompressed => true;

        public override NettraceEventConsumer OnTypeNames => _table.OnTypeNames;

        public override bool HasEnded => _table.HasEnded;

        public override bool HasContent => _table.Objects > 0;

        public override void OnEvent(in NettraceEvent item) => _table.OnEvent(item);

        public override TypeTable Types(long dropped, bool isCut) => _table.ToTable(dropped);
    }

    private sealed class Allocations(ulong keywords, uint level) : DotNetRecording
    {
        private readonly AllocationTable _table = new();

        public override IReadOnlyList<EventPipeProvider> Providers => [new(EventPipeProvider.Runtime, keywords, level)];

        public override bool HasContent => _table.Count > 0;

        public override void OnEvent(in NettraceEvent item) => _table.OnEvent(item);

        public override TypeTable Types(long dropped, bool isCut) => _table.ToTable(TypeTableReader.MeasureOf(Duration!.Value), isCut || dropped > 0);
    }

    private sealed class Cpu : DotNetRecording
    {
        private bool _hasSamples;

        public override IReadOnlyList<EventPipeProvider> Providers =>
            [new(EventPipeProvider.SampleProfiler, 0, Informational), new(EventPipeProvider.Runtime, LoaderJitNGen, Informational)];

        public override ulong RundownKeywords => MethodRundown;

        public override bool WithStacks => true;

        public override bool HasContent => _hasSamples;

        public override void OnEvent(in NettraceEvent item) => _hasSamples |= item.Type.Provider == EventPipeProvider.SampleProfiler;
    }

    private sealed class Collections : DotNetRecording
    {
        private bool _hasEvents;

        // At this level each tick of 100 KB of allocations comes along.
        public override IReadOnlyList<EventPipeProvider> Providers => [new(EventPipeProvider.Runtime, GcOnly, Verbose)];

        public override bool HasContent => _hasEvents;

        public override void OnEvent(in NettraceEvent item) => _hasEvents |= item.Type.IsRuntime;
    }
}
