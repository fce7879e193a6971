namespace Premortem.Profiles.Heaps;

/// <summary>What keeps an object alive that no other object keeps, in the order in which a path through one is preferred.</summary>
public enum HeapRootKind
{
    /// <summary>A static variable.</summary>
    Static,

    /// <summary>A static variable that each thread has its own of.</summary>
    ThreadStatic,

    /// <summary>A GC handle.</summary>
    Handle,

    /// <summary>A GC handle that also keeps the object where it is.</summary>
    PinnedHandle,

    /// <summary>A handle of COM, by the count of its references.</summary>
    CountedHandle,

    /// <summary>A local variable, an argument or a register of a method that runs.</summary>
    Stack,

    /// <summary>The object's finalizer is due and has not run.</summary>
    Finalizer,

    /// <summary>Anything else.</summary>
    Other,
}
