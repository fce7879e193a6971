using System.Globalization;
using System.Text;

namespace Premortem.Profiles;

/// <summary>Values in words, with the same units, roundings and spellings as pprof has.</summary>
internal static class Units
{
    /// <summary>The unit that stands for "whichever is the largest below the value".</summary>
    internal const string Auto = "auto";

    private static readonly Family[] Families =
    [
        new("B", 1,
        [
            new("B", 1, "b", "byte"), new("kB", 1L << 10, "kb", "kbyte", "kilobyte"), new("MB", 1L << 20, "mb", "mbyte", "megabyte"),
            new("GB", 1L << 30, "gb", "gbyte", "gigabyte"), new("TB", 1L << 40, "tb", "tbyte", "terabyte"),
            new("PB", 1L << 50, "pb", "pbyte", "petabyte"),
        ]),
        new("s", 1e9,
        [
            new("ns", 1, "ns", "nanosecond"), new("us", 1e3, "us", "microsecond"), new("ms", 1e6, "ms", "millisecond"),
            new("s", 1e9, "s", "sec", "second"), new("hrs", 3600e9, "hour", "hr"),
        ]),
        new("GCU", 1,
        [
            new("n*GCU", 1e-9, "nanogcu"), new("u*GCU", 1e-6, "microgcu"), new("m*GCU", 1e-3, "milligcu"), new("GCU", 1, "gcu"),
            new("k*GCU", 1e3, "kilogcu"), new("M*GCU", 1e6, "megagcu"), new("G*GCU", 1e9, "gigagcu"), new("T*GCU", 1e12, "teragcu"),
            new("P*GCU", 1e15, "petagcu"),
        ]),
    ];

    /// <summary>A value in another unit, and that unit's name; empty where the unit goes without saying.</summary>
    internal static (double Value, string Unit) Scale(long value, string from, string to)
    {
        if (value < 0 && unchecked(-value) > 0)
        {
            var (v, u) = Scale(-value, from, to);
            return (-v, u);
        }
        foreach (var family in Families)
        {
            if (family.Find(from) is not { } fromUnit)
                continue;
            var inBase = value * fromUnit.Factor;
            if (to != Auto)
                return family.Find(to) is { } toUnit ? (inBase / toUnit.Factor, toUnit.Name) : (inBase / family.DefaultFactor, family.DefaultName);
            Unit? best = null;
            foreach (var unit in family.Units)
                if (unit.Factor >= (best?.Factor ?? 0) && inBase / unit.Factor >= 1)
                    best = unit;
            return best is null ? (inBase / family.DefaultFactor, family.DefaultName) : (inBase / best.Factor, best.Name);
        }
        return (value, to is "count" or "sample" or "unit" or Auto ? "" : to);
    }

    /// <summary>A value with its unit: <c>37.50kB</c>, <c>12MB</c>, <c>0</c>.</summary>
    internal static string Format(long value, string from, string to)
    {
        var (scaled, unit) = Scale(value, from, to);
        var text = TwoDecimals(scaled);
        if (text.EndsWith(".00", StringComparison.Ordinal))
            text = text[..^3];
        return text is "0" or "-0" ? "0" : text + unit;
    }

    /// <summary>The share of a total, six characters wide or more: <c>95.63%</c>, <c>  100%</c>, <c> 0.24%</c>.</summary>
    internal static string Percentage(long value, long total)
    {
        var ratio = total == 0 ? 0 : Math.Abs((double)value / total) * 100;
        return ratio switch
        {
            >= 99.95 and <= 100.05 => "  100%",
            >= 1 => TwoDecimals(ratio).PadLeft(5) + "%",
            _ => TwoDigits(ratio).PadLeft(5) + "%",
        };
    }

    /// <summary>What C calls <c>%.2f</c>: a tie goes to the even digit, which .NET's "F2" rounds away from zero.</summary>
    internal static string TwoDecimals(double value)
    {
        var eighths = value * 8;
        // Of all numbers with a finite binary form, only odd eighths end in a 5 behind the second decimal.
        if (Math.Abs(eighths) < 1L << 50 && eighths == Math.Floor(eighths) && (long)eighths % 2 != 0)
            return Math.Round((decimal)value, 2, MidpointRounding.ToEven).ToString("F2", CultureInfo.InvariantCulture);
        return value.ToString("F2", CultureInfo.InvariantCulture);
    }

    /// <summary>What C calls <c>%.1f</c>.</summary>
    internal static string OneDecimal(double value)
    {
        var quarters = value * 4;
        // Of all numbers with a finite binary form, only odd quarters end in a 5 behind the first decimal.
        if (Math.Abs(quarters) < 1L << 50 && quarters == Math.Floor(quarters) && (long)quarters % 2 != 0)
            return Math.Round((decimal)value, 1, MidpointRounding.ToEven).ToString("F1", CultureInfo.InvariantCulture);
        return value.ToString("F1", CultureInfo.InvariantCulture);
    }

    /// <summary>What C calls <c>%.2g</c>, for values from 0 up to 1.</summary>
    internal static string TwoDigits(double value)
    {
        if (value == 0)
            return "0";
        // The ties that two significant digits can have: odd eighths, and one sixteenth.
        var scientific = (value is 0.125 or 0.375 or 0.625 or 0.875 or 0.0625
            ? (double)Math.Round((decimal)value, value < 0.1 ? 3 : 2, MidpointRounding.ToEven)
            : value).ToString("E1", CultureInfo.InvariantCulture);
        var exponent = int.Parse(scientific.AsSpan(4), CultureInfo.InvariantCulture);
        var digits = scientific[2] == '0' ? scientific[..1] : string.Concat(scientific.AsSpan(0, 1), scientific.AsSpan(2, 1));
        if (exponent < -4)
            return string.Create(
                CultureInfo.InvariantCulture, $"{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e-{-exponent:00}");
        return exponent == 0
            ? digits.Length > 1 ? $"{digits[0]}.{digits[1]}" : digits
            : "0." + new string('0', -exponent - 1) + digits;
    }

    private sealed record Family(string DefaultName, double DefaultFactor, Unit[] Units)
    {
        internal Unit? Find(string name)
        {
#pragma warning disable CA1308 // The units are spelt in lower case.
            var key = name.ToLowerInvariant();
#pragma warning restore CA1308
            if (Encoding.UTF8.GetByteCount(key) > 2 && key.EndsWith('s'))
                key = key[..^1];
            return Array.Find(Units, unit => Array.IndexOf(unit.Aliases, key) >= 0);
        }
    }

    private sealed class Unit(string name, double factor, params string[] aliases)
    {
        internal string Name => name;

        internal double Factor => factor;

        internal string[] Aliases => aliases;
    }
}
