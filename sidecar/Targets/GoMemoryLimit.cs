using System.Globalization;

namespace Premortem.Sidecar.Targets;

/// <summary>Go's soft limit. It is no ceiling: the program lives on above it, while its garbage collector burns CPU to get below.</summary>
internal static class GoMemoryLimit
{
    public const string Variable = "GOMEMLIMIT";

    private static readonly (string Unit, int Shift)[] Units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0), ("", 0)];

    /// <summary>Bytes, or a number with <c>B</c>, <c>KiB</c>, <c>MiB</c>, <c>GiB</c>, <c>TiB</c>; false for <c>off</c> and for none.</summary>
    public static bool TryParse(string? text, out long bytes)
    {
        bytes = 0;
        if (text is null)
            return false;
        var (unit, shift) = Units.First(known => text.EndsWith(known.Unit, StringComparison.Ordinal));
        if (!long.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > long.MaxValue >> shift)
            return false;
        bytes = number << shift;
        // The runtime's own word for none.
        return bytes < long.MaxValue;
    }
}
