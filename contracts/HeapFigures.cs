namespace Premortem.Contracts;

/// <summary>What a .NET runtime's own counters said of its heap.</summary>
/// <param name="CommittedBytes">What the heap had taken of the system; null: not said.</param>
/// <param name="AfterCollectionBytes">What the last collection had left; null: there was none since the runtime is watched.</param>
/// <param name="Collections">How many there were since the runtime is watched.</param>
public sealed record HeapFigures(long? CommittedBytes, long? AfterCollectionBytes, long Collections);
