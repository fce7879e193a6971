using System.Runtime.InteropServices;

namespace Premortem.Testing;

internal static partial class Native
{
    [LibraryImport("libc", EntryPoint = "kill")]
    internal static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    internal static partial int SetFileSystemUser(int user);
}
