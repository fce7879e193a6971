namespace Premortem.Profiles.Heaps;

/// <summary>A root, or all roots of a kind that have no names.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Variable">Of a static variable: its name. The runtime does not tell the class that declares it.</param>
internal sealed record HeapRoot(HeapRootKind Kind, string? Variable)
{
    public string Name => (Kind, Variable) switch
    {
        (HeapRootKind.Static, { } variable) => $"static {variable}",
        (HeapRootKind.Static, null) => "static variable",
        (HeapRootKind.ThreadStatic, { } variable) => $"thread static {variable}",
        (HeapRootKind.ThreadStatic, null) => "thread static variable",
        (HeapRootKind.Handle, _) => "handle",
        (HeapRootKind.PinnedHandle, _) => "pinned handle",
        (HeapRootKind.CountedHandle, _) => "counted handle",
        (HeapRootKind.Stack, _) => "stack",
        (HeapRootKind.Finalizer, _) => "finalizer queue",
        _ => "other root",
    };
}
