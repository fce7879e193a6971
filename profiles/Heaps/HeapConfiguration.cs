namespace Premortem.Profiles.Heaps;

/// <summary>How a runtime says that its garbage collector is set up.</summary>
/// <param name="HardLimitBytes">What its heap may never exceed; null: nothing.</param>
public sealed record HeapConfiguration(long? HardLimitBytes, bool IsServer, bool IsConcurrent);
