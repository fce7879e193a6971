using System.Globalization;

namespace Premortem.Sidecar.Hosting;

/// <summary>
/// Gives back the pages of this program's own code that starting up, or a capture, has touched and watching does not need. They are
/// clean pages of the executable: what is needed again is mapped again from the page cache in microseconds.
/// </summary>
internal static unsafe class Footprint
{
    private const int DontNeed = 4; // MADV_DONTNEED

    public static void Trim()
    {
        try
        {
            foreach (var line in File.ReadLines("/proc/self/maps"))
            {
                // start-end perms offset device inode path; code alone, since other read-only pages may have been relocated.
                var fields = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
                if (fields.Length < 6 || fields[1] != "r-xp" || fields[5] != Environment.ProcessPath)
                    continue;
                var dash = fields[0].IndexOf('-', StringComparison.Ordinal);
                var start = ulong.Parse(fields[0].AsSpan(0, dash), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                var end = ulong.Parse(fields[0].AsSpan(dash + 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                _ = Libc.Madvise((void*)start, (nuint)(end - start), DontNeed);
            }
        }
        catch (IOException)
        {
            // A /proc that cannot be read: nothing is lost but the saving.
        }
    }
}
