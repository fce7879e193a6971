using System.Runtime.InteropServices;

namespace Premortem.Testing;

internal static partial class Native
{
    [LibraryImport("libc", EntryPoint = "kill")]
    internal static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    internal static partial int SetFileSystemUser(int user);

    /// <summary>What .NET does not do with a link to a folder: puts it in another's place at once.</summary>
    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Rename(string from, string to);
}
