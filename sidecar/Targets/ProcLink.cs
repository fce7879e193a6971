using System.Runtime.InteropServices;
using System.Text;

namespace Premortem.Sidecar.Targets;

/// <summary>
/// Reads the links of <c>/proc</c>. .NET's own <see cref="FileSystemInfo.LinkTarget"/> is null alike for a link that has gone and for one
/// that may not be read.
/// </summary>
internal static partial class ProcLink
{
    private const int NotPermitted = 1;
    private const int AccessDenied = 13;
    private const int MaxBytes = 4096;

    /// <returns>Where the link points; null where there is none.</returns>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal static string? Read(string path)
    {
        Span<byte> buffer = stackalloc byte[MaxBytes];
        var length = ReadLink(path, buffer, buffer.Length);
        if (length >= 0)
            return Encoding.UTF8.GetString(buffer[..(int)length]);
        if (Marshal.GetLastPInvokeError() is NotPermitted or AccessDenied)
            throw new UnauthorizedAccessException($"{path} may not be read");
        return null;
    }

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint ReadLink(string path, Span<byte> buffer, nint size);
}
