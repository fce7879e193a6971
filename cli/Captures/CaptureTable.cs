using System.Globalization;

namespace Premortem.Cli.Captures;

/// <summary>Captures in columns, as <c>kubectl get profilecaptures</c> prints them.</summary>
/// <param name="isWide">With the columns that are too many for most terminals.</param>
/// <param name="withNamespaces">With the namespace first, where there may be several.</param>
internal sealed class CaptureTable(TextWriter output, bool isWide, bool withNamespaces, TimeProvider time)
{
    private const string Gap = "   ";

    private readonly List<int> _widths = [];
    private bool _hasHeader;

    /// <summary>Prints rows, under a header the first time. Columns never become narrower.</summary>
    internal void Write(IEnumerable<ListedCapture> captures)
    {
        var now = time.GetUtcNow();
        var rows = captures.Select(capture => Cells(capture, now)).ToList();
        if (!_hasHeader)
            rows.Insert(0, Header());
        _hasHeader = true;
        foreach (var row in rows)
            for (var i = 0; i < row.Length; i++)
            {
                if (i == _widths.Count)
                    _widths.Add(0);
                _widths[i] = Math.Max(_widths[i], row[i].Length);
            }
        foreach (var row in rows)
            output.WriteLine(string.Join(Gap, row.Select((cell, i) => cell.PadRight(_widths[i]))).TrimEnd());
        output.Flush();
    }

    /// <summary>A length of time in the two largest units that matter, as kubectl writes ages.</summary>
    internal static string Age(TimeSpan age)
    {
        var (seconds, minutes, hours, days) = ((long)age.TotalSeconds, (long)age.TotalMinutes, (long)age.TotalHours, (long)age.TotalDays);
        return age < TimeSpan.Zero ? "0s"
            : seconds < 120 ? Text($"{seconds}s")
            : minutes < 10 ? Two(minutes, "m", seconds % 60, "s")
            : hours < 3 ? Text($"{minutes}m")
            : hours < 8 ? Two(hours, "h", minutes % 60, "m")
            : hours < 48 ? Text($"{hours}h")
            : days < 8 ? Two(days, "d", hours % 24, "h")
            : days < 730 ? Text($"{days}d")
            : days < 8 * 365 ? Two(days / 365, "y", days % 365, "d")
            : Text($"{days / 365}y");

        static string Two(long large, string unit, long small, string smaller) => small == 0 ? Text($"{large}{unit}") : Text($"{large}{unit}{small}{smaller}");

        static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }

    private string[] Header() =>
    [
        .. withNamespaces ? ["NAMESPACE"] : Array.Empty<string>(),
        "NAME", "POD", "TRIGGER", "MEMORY", "TOP", "OUTCOME",
        .. isWide ? ["PHASE", "LOCATION"] : Array.Empty<string>(),
        "AGE",
    ];

    private string[] Cells(ListedCapture capture, DateTimeOffset now)
    {
        string[] cells =
        [
            .. withNamespaces ? [capture.Namespace] : Array.Empty<string>(),
            capture.Name, capture.Pod, capture.Trigger, capture.Memory, capture.Top, capture.Outcome,
            .. isWide ? [capture.Phase, capture.Location] : Array.Empty<string>(),
            capture.CreatedAt is { } created ? Age(now - created) : "<unknown>",
        ];
        return [.. cells.Select(cell => Printable.Of(cell))];
    }
}
