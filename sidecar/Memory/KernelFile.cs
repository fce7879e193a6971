using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace Premortem.Sidecar.Memory;

/// <summary>
/// A file of the kernel's, kept open and read again from its start. Keeping it open is cheaper, and works on when the process
/// through whose root it was opened is gone: the OOM counter is wanted exactly then.
/// </summary>
internal sealed class KernelFile : IDisposable
{
    private const int MaxBytes = 16 * 1024;

    // One sampling thread reads all of these: one buffer serves them.
    [ThreadStatic]
    private static byte[]? t_buffer;

    private readonly SafeFileHandle _handle;

    private KernelFile(SafeFileHandle handle) => _handle = handle;

    public static KernelFile? TryOpen(string path)
    {
        try
        {
            return new KernelFile(File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The content, good until the next read on this thread; empty when it cannot be read (ENODEV after the cgroup is gone).</summary>
    public ReadOnlySpan<byte> Read()
    {
        var buffer = t_buffer ??= new byte[MaxBytes];
        var length = 0;
        try
        {
            int n;
            while (length < buffer.Length && (n = RandomAccess.Read(_handle, buffer.AsSpan(length), length)) > 0)
            {
                length += n;
                // These files end with a line, and come whole: a second call to be told that there is no more doubles the cost of a sample.
                if (buffer[length - 1] == '\n')
                    break;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return default;
        }
        return buffer.AsSpan(0, length);
    }

    /// <summary>The number that is the whole content, or null: unreadable, or a word such as <c>max</c>.</summary>
    public long? ReadNumber()
    {
        var content = Read();
        return Utf8Parser.TryParse(content, out long number, out _) ? number : null;
    }

    /// <summary>The number behind <paramref name="key"/> in lines of the form <c>key number</c>.</summary>
    public static long? Number(ReadOnlySpan<byte> lines, ReadOnlySpan<byte> key)
    {
        while (lines.Length > 0)
        {
            var end = lines.IndexOf((byte)'\n');
            var line = end < 0 ? lines : lines[..end];
            if (line.Length > key.Length && line[key.Length] == ' ' && line.StartsWith(key))
                return Utf8Parser.TryParse(line[(key.Length + 1)..], out long number, out _) ? number : null;
            lines = end < 0 ? default : lines[(end + 1)..];
        }
        return null;
    }

    public void Dispose() => _handle.Dispose();
}
