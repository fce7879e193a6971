namespace Premortem.Profiles.Nettrace;

/// <summary>The runtime's own events that are read here, by their numbers, from its ClrEtwAll.man.</summary>
internal static class RuntimeEvents
{
    internal const int GCStart = 1;
    internal const int GCEnd = 2;
    internal const int GCRestartEEEnd = 3;
    internal const int GCHeapStats = 4;
    internal const int GCSuspendEEBegin = 9;
    internal const int GCAllocationTick = 10;
    internal const int GCBulkType = 15;
    internal const int GCBulkRootEdge = 16;
    internal const int GCBulkRootConditionalWeakTableElementEdge = 17;
    internal const int GCBulkNode = 18;
    internal const int GCBulkEdge = 19;
    internal const int GCBulkRootStaticVar = 38;
    internal const int GCDynamic = 39;
    internal const int GCPerHeapHistory = 204;
    internal const int AllocationSampled = 303;
}
