using System.Runtime.InteropServices;

namespace Premortem.Testing;

internal static partial class Native
{
    [LibraryImport("libc", EntryPoint = "kill")]
    internal static partial int Kill(int pid, int signal);
}
