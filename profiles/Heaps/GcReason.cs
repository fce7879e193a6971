namespace Premortem.Profiles.Heaps;

/// <summary>Why a collection began, as the runtime numbers it. Later runtimes may have more.</summary>
public enum GcReason
{
    AllocSmall,
    Induced,
    LowMemory,
    Empty,
    AllocLarge,
    OutOfSpaceSmall,
    OutOfSpaceLarge,
    InducedNotForced,
    Internal,
    InducedLowMemory,
    InducedCompacting,
    LowMemoryHost,
    PMFullGC,
    LowMemoryHostBlocking,
}
