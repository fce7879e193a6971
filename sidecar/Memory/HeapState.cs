using Premortem.Profiles.Heaps;

namespace Premortem.Sidecar.Memory;

/// <summary>What a .NET runtime last said of its heap, for nothing: from a session that is always on.</summary>
/// <param name="Number">Grows with each thing that the runtime says of what the heap takes.</param>
/// <param name="Use">What the heap takes; null: not said yet.</param>
/// <param name="LastCollection">What the last collection left; null: there was none since this is watched.</param>
/// <param name="Collections">How many there were since this is watched.</param>
internal sealed record HeapState(long Number, HeapUse? Use, GcStats? LastCollection, long Collections)
{
    public static HeapState Unknown { get; } = new(0, null, null, 0);

    /// <summary>What the last collection left in the heap, in bytes.</summary>
    public long? AfterCollectionBytes => LastCollection?.HeapBytes;
}
