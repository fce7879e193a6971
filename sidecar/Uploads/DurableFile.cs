namespace Premortem.Sidecar.Uploads;

/// <summary>Files that are there whole or not at all, whenever the power goes.</summary>
internal static class DurableFile
{
    private const int DiskFull = 28; // ENOSPC
    private const int QuotaExceeded = 122; // EDQUOT

    public static bool IsDiskFull(IOException e) => (e.HResult & 0xffff) is DiskFull or QuotaExceeded;

    /// <summary>Puts <paramref name="content"/> in place of what stands at <paramref name="path"/>.</summary>
    /// <param name="durable">Whether to wait for the disk. Without it the file survives this program, but not the machine.</param>
    public static void Replace(string path, ReadOnlySpan<byte> content, bool durable)
    {
        var temporary = path + ".tmp";
        try
        {
            using (var file = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write))
            {
                RandomAccess.Write(file, content, 0);
                if (durable)
                    RandomAccess.FlushToDisk(file);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (IOException)
        {
            // Half a file on a full disk is room that others need.
            File.Delete(temporary);
            throw;
        }
    }
}
