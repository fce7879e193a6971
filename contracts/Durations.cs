using System.Buffers;
using System.Globalization;

namespace Premortem.Contracts;

/// <summary>Kubernetes' (Go's) notation for lengths of time: <c>2s</c>, <c>1m30s</c>, <c>250ms</c>, <c>0</c>.</summary>
public static class Durations
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");

    private static readonly (string Unit, double Seconds)[] Units =
        [("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ns", 1e-9), ("h", 3600), ("m", 60), ("s", 1)];

    /// <summary>Reads a duration of at most a year; negative ones are refused.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (text == "0")
            return true;
        if (text.Length is 0 or > 64)
            return false;
        var rest = text.AsSpan();
        double seconds = 0;
        while (rest.Length > 0)
        {
            var digits = rest.IndexOfAnyExcept(Digits);
            if (digits <= 0 || !double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
                return false;
            rest = rest[digits..];
            var known = false;
            foreach (var (unit, factor) in Units)
                if (rest.StartsWith(unit, StringComparison.Ordinal))
                {
                    seconds += number * factor;
                    rest = rest[unit.Length..];
                    known = true;
                    break;
                }
            if (!known)
                return false;
        }
        if (seconds > 366 * 86400.0)
            return false;
        // Rounded, because 0.29 s as a double is a little less than 2,900,000 ticks.
        duration = TimeSpan.FromTicks((long)Math.Round(seconds * TimeSpan.TicksPerSecond));
        return true;
    }

    /// <summary>The form that users type, exactly: <c>10m</c>, <c>1h30m</c>, <c>1.5s</c>, <c>20ms</c>.</summary>
    public static string Format(TimeSpan duration)
    {
        if (duration < TimeSpan.Zero)
            return "-" + Format(-duration);
        if (duration < TimeSpan.FromSeconds(1))
            return duration == TimeSpan.Zero ? "0s" : string.Create(CultureInfo.InvariantCulture, $"{duration.TotalMilliseconds:0.####}ms");
        var text = "";
        if (duration.TotalHours >= 1)
            text += string.Create(CultureInfo.InvariantCulture, $"{(long)duration.TotalHours}h");
        if (duration.Minutes > 0)
            text += string.Create(CultureInfo.InvariantCulture, $"{duration.Minutes}m");
        var seconds = duration.Ticks % TimeSpan.TicksPerMinute / (decimal)TimeSpan.TicksPerSecond;
        return seconds > 0 ? text + string.Create(CultureInfo.InvariantCulture, $"{seconds:0.#######}s") : text;
    }
}
