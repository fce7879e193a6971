using System.Globalization;

namespace Premortem.Sidecar.Hosting;

/// <summary>
/// Gives back the pages of code and constants, of this program and of its libraries, that starting up, a capture or a baseline has touched
/// and watching does not need. They are clean pages of files: what is needed again is mapped again from the page cache in microseconds.
/// </summary>
internal static unsafe class Footprint
{
    private const int DontNeed = 4; // MADV_DONTNEED

    public static void Trim()
    {
        try
        {
            (nuint Start, nuint End)? mapping = null;
            foreach (var line in File.ReadLines("/proc/self/smaps"))
            {
                var fields = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
                // A mapping's first line is: start-end perms offset device inode path. Those that tell of it follow, each with a name.
                if (!fields[0].EndsWith(':'))
                    mapping = fields is [var range, ['r', '-', ..], _, _, _, ['/', ..]] ? Parse(range) : null;
                // Without a page of its own it is as it is in the file: nothing in it was relocated.
                else if (fields is ["Anonymous:", "0", ..] && mapping is var (start, end))
                    _ = Libc.Madvise((void*)start, end - start, DontNeed);
            }
        }
        catch (IOException)
        {
            // A /proc that cannot be read: nothing is lost but the saving.
        }
    }

    private static (nuint Start, nuint End) Parse(string range)
    {
        var dash = range.IndexOf('-', StringComparison.Ordinal);
        return (
            nuint.Parse(range.AsSpan(0, dash), NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            nuint.Parse(range.AsSpan(dash + 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
    }
}
