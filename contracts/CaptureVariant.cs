namespace Premortem.Contracts;

/// <summary>The ways to capture one thing from a .NET runtime.</summary>
public enum CaptureVariant
{
    /// <summary><c>Heap</c>: every object, over EventPipe. The buffers inside the target hold all of it.</summary>
    Snapshot,

    /// <summary><c>Heap</c>: the objects that fit into a small buffer, over EventPipe: a sample of the heap.</summary>
    PartialSnapshot,

    /// <summary><c>Heap</c>: a dump with heap, written by the runtime.</summary>
    HeapDump,

    /// <summary><c>Heap</c>: what is allocated while it is recorded, sampled by bytes (.NET 10).</summary>
    AllocationSamples,

    /// <summary><c>Heap</c>: what is allocated while it is recorded, one allocation in each 100 KB.</summary>
    AllocationTicks,

    /// <summary><c>Dump</c>: stacks and modules, no heap.</summary>
    TriageDump,

    /// <summary><c>Dump</c>: with heap.</summary>
    WithHeapDump,

    /// <summary><c>Dump</c>: all memory.</summary>
    FullDump,
}
