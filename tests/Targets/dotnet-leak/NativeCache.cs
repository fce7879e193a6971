using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Shop.Native;

/// <summary>Memory that the garbage collector knows nothing of, kept for ever.</summary>
public static unsafe class NativeCache
{
    private const int BlockBytes = 64 * 1024;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Keep(long bytes)
    {
        for (; bytes > 0; bytes -= BlockBytes)
        {
            var block = (byte*)NativeMemory.Alloc(BlockBytes);
            for (var i = 0; i < BlockBytes; i += 4096)
                block[i] = 1;
        }
    }
}
