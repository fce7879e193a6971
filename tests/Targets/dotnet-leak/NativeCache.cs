using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Shop.Native;

/// <summary>Memory that the garbage collector knows nothing of, kept for ever.</summary>
public static unsafe class NativeCache
{
    private const int BlockBytes = 64 * 1024;

    /// <returns>What it took: whole blocks, so that the caller can carry what is too much.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static long Keep(long bytes)
    {
        var kept = 0L;
        for (; kept < bytes; kept += BlockBytes)
        {
            var block = (byte*)NativeMemory.Alloc(BlockBytes);
            for (var i = 0; i < BlockBytes; i += 4096)
                block[i] = 1;
        }
        return kept;
    }
}
