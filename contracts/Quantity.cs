using System.Globalization;
using System.Numerics;

namespace Premortem.Contracts;

/// <summary>Kubernetes' notation for numbers of bytes: <c>900Mi</c>, <c>1G</c>, <c>1.5Gi</c>, <c>1e9</c>, <c>134217728</c>.</summary>
public static class Quantity
{
    private static readonly (string Suffix, long Factor)[] Suffixes =
    [
        ("Ki", 1L << 10), ("Mi", 1L << 20), ("Gi", 1L << 30), ("Ti", 1L << 40), ("Pi", 1L << 50), ("Ei", 1L << 60),
        ("k", 1_000L), ("M", 1_000_000L), ("G", 1_000_000_000L), ("T", 1_000_000_000_000L),
        ("P", 1_000_000_000_000_000L), ("E", 1_000_000_000_000_000_000L),
    ];

    /// <summary>Reads a quantity as bytes, rounded up to a whole one as Kubernetes does. Negative and overlong ones are refused.</summary>
    public static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        if (!TryParseExact(text, out var amount))
            return false;
        var whole = decimal.Ceiling(amount);
        if (whole > long.MaxValue)
            return false;
        bytes = (long)whole;
        return true;
    }

    /// <summary>Reads a quantity with its fraction: <c>50m</c> is 0.05.</summary>
    public static bool TryParseExact(string text, out decimal amount)
    {
        amount = 0;
        if (text.Length is 0 or > 64)
            return false;
        decimal factor = 1, divisor = 1;
        var number = text;
        foreach (var (suffix, f) in Suffixes)
            if (text.EndsWith(suffix, StringComparison.Ordinal))
            {
                // "1E" is an exa, "1E3" is a thousand: the suffix is only one at the end.
                (factor, number) = (f, text[..^suffix.Length]);
                break;
            }
        if (factor == 1 && text[^1] is 'm' or 'u' or 'n')
            (divisor, number) = (text[^1] switch { 'm' => 1e3m, 'u' => 1e6m, _ => 1e9m }, text[..^1]);
        const NumberStyles style = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent | NumberStyles.AllowLeadingSign;
        // An exponent is a suffix of its own, and there is only one. .NET would take trailing NULs for nothing.
        if (number.StartsWith('-') || number.Contains('\0') || (number.Length < text.Length && number.AsSpan().ContainsAny('e', 'E')))
            return false;
        if (!decimal.TryParse(number, style, CultureInfo.InvariantCulture, out var value))
            return false;
        try
        {
            amount = value * factor / divisor;
            return true;
        }
        catch (OverflowException)
        {
            return false;
        }
    }

    /// <summary>The shortest exact form in binary units: <c>256Mi</c>, <c>1536Ki</c>, <c>1000</c>.</summary>
    public static string Format(long bytes)
    {
        if (bytes <= 0)
            return bytes.ToString(CultureInfo.InvariantCulture);
        var power = Math.Min(BitOperations.TrailingZeroCount(bytes) / 10, 6);
        return power == 0
            ? bytes.ToString(CultureInfo.InvariantCulture)
            : string.Create(CultureInfo.InvariantCulture, $"{bytes >> (10 * power)}{Suffixes[power - 1].Suffix}");
    }

    /// <summary>A rounded form for people: <c>217.6 MiB</c>.</summary>
    public static string ForPeople(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        double value = bytes;
        var unit = 0;
        while (Math.Abs(value) >= 1024 && unit < units.Length - 1)
            (value, unit) = (value / 1024, unit + 1);
        return value.ToString(unit == 0 ? "0" : "0.#", CultureInfo.InvariantCulture) + " " + units[unit];
    }
}
