using Microsoft.Diagnostics.Runtime;
using Premortem.Profiles.Heaps;

namespace Premortem.Dumps;

/// <summary>The heap in a dump of a .NET process, as <c>createdump</c> writes it: every object that lies there, collected soon or not.</summary>
public static class DumpedHeap
{
    private const ulong AlignmentBytes = 8, LeastObjectBytes = 24;

    /// <summary>What a core of a Linux process begins with.</summary>
    public static ReadOnlySpan<byte> Magic => "\u007fELF"u8;

    /// <param name="path">The dump, uncompressed.</param>
    /// <param name="library">The <c>libmscordaccore.so</c> of the dump's own runtime; null: that of an installed runtime which is the same.</param>
    /// <exception cref="DumpException">It is no such dump, or what reads it is not here.</exception>
    public static HeapGraph Read(string path, string? library, CancellationToken ct)
    {
        try
        {
            if (ElfFile.Extent(path) is var (length, end) && length < end)
                throw new DumpException($"it is cut off: {length} of {end} bytes are there");
            var files = new RuntimeFiles();
            using var target = DataTarget.LoadDump(path, new DataTargetOptions { FileLocator = files });
            var clr = target.ClrVersions.FirstOrDefault()
                ?? throw new DumpException("there is no .NET runtime in it: it has to be a dump of a .NET process that runs on CoreCLR, not of a Native AOT program");
            // A dump with heap does not hold the version of the library, so that it cannot be compared: the build ID says that it is the same.
            library ??= DataAccess.Of(clr);
            files.LookBeside(library);
            using var runtime = clr.CreateRuntime(library, ignoreMismatch: true);
            if (!runtime.Heap.CanWalkHeap)
                throw new DumpException("its heap cannot be walked: it is no dump with heap (dumpType Heap, WithHeap or Full), or the runtime was in the middle of a collection");
            return Graph(runtime, ct);
        }
        // What a damaged dump makes the library throw is not said anywhere; a null reference is among it.
        catch (Exception e) when (e is not (DumpException or OperationCanceledException or OutOfMemoryException))
        {
            throw new DumpException($"the dump cannot be read: {e.Message}", e);
        }
    }

    private static HeapGraph Graph(ClrRuntime runtime, CancellationToken ct)
    {
        var builder = new HeapGraphBuilder();
        var (numbers, references) = (new Dictionary<ulong, int>(), new List<ulong>());
        var isPartial = false;
        // What a thread was given to make objects in lies empty behind its last one.
        var given = new Dictionary<ulong, ulong>();
        foreach (var context in runtime.Heap.EnumerateAllocationContexts())
            given[context.Start] = context.End;
        foreach (var segment in runtime.Heap.Segments)
        {
            var end = segment.FirstObjectAddress;
            foreach (var item in segment.EnumerateObjects(carefully: true))
            {
                ct.ThrowIfCancellationRequested();
                isPartial |= HasGap(end, item.Address);
                if (item.Type is not { } type)
                {
                    isPartial = true;
                    continue;
                }
                end = (item.Address + item.Size + AlignmentBytes - 1) & ~(AlignmentBytes - 1);
                if (item.IsFree)
                    continue;
                if (!numbers.TryGetValue(type.MethodTable, out var number))
                {
                    numbers[type.MethodTable] = number = builder.TypeOf(type.MethodTable);
                    builder.Name(type.MethodTable, type.Name);
                }
                references.Clear();
                if (type.ContainsPointers)
                    references.AddRange(item.EnumerateReferenceAddresses());
                isPartial |= !builder.Add(item.Address, item.Size, number, (ulong)references.Count);
                foreach (var reference in references)
                    isPartial |= !builder.AddReference(reference);
            }
            isPartial |= HasGap(end, segment.ObjectRange.End);
        }
        foreach (var root in runtime.Heap.EnumerateRoots())
        {
            ct.ThrowIfCancellationRequested();
            isPartial |= !builder.AddRoot(KindOf(root), root.Object.Address);
        }
        foreach (var handle in runtime.EnumerateHandles())
            if (handle.HandleKind == ClrHandleKind.Dependent)
                isPartial |= !builder.AddDependent(handle.Object.Address, handle.Dependent.Address);
        AddStatics(runtime, builder, ct);
        return builder.Build(isPartial, measure: TypeTable.AllObjects);

        // Behind an object that is damaged nobody knows where the next one begins, and some are passed over.
        bool HasGap(ulong end, ulong next) => given.GetValueOrDefault(end, end) + LeastObjectBytes < next;
    }

    private static void AddStatics(ClrRuntime runtime, HeapGraphBuilder builder, CancellationToken ct)
    {
        foreach (var module in runtime.EnumerateModules())
            foreach (var (methodTable, _) in module.EnumerateTypeDefToMethodTableMap())
            {
                ct.ThrowIfCancellationRequested();
                if (runtime.GetTypeByMethodTable(methodTable) is not { } type)
                    continue;
                foreach (var field in type.StaticFields)
                    if (field.IsObjectReference && field.ReadObject(module.AppDomain) is { IsNull: false } value)
                        builder.AddRoot(HeapRootKind.Static, value.Address, $"{type.Name}.{field.Name}", field.GetAddress(module.AppDomain));
            }
    }

    private static HeapRootKind KindOf(ClrRoot root) => root.RootKind switch
    {
        ClrRootKind.Stack => HeapRootKind.Stack,
        ClrRootKind.FinalizerQueue => HeapRootKind.Finalizer,
        ClrRootKind.StrongHandle => HeapRootKind.Handle,
        ClrRootKind.PinnedHandle or ClrRootKind.AsyncPinnedHandle => HeapRootKind.PinnedHandle,
        ClrRootKind.RefCountedHandle => HeapRootKind.CountedHandle,
        ClrRootKind.StaticVar => HeapRootKind.Static,
        ClrRootKind.ThreadStaticVar => HeapRootKind.ThreadStatic,
        _ => HeapRootKind.Other,
    };
}
