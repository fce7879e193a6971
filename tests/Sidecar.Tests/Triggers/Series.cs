namespace Premortem.Sidecar.Tests.Triggers;

/// <summary>What a process's memory does over time, in MiB and seconds: lines and jumps, on top of which noise and page cache may lie.</summary>
internal sealed class Series(double start)
{
    internal const double MiB = 1024 * 1024;

    private readonly List<(double At, double Bytes)> _knots = [(0, start * MiB)];
    private readonly List<(double At, long? Limit)> _limits = [(0, 256L << 20)];
    private double _noise;

    internal double Length => _knots[^1].At;

    internal Series? InactiveFile { get; private set; }

    internal Series? ActiveFile { get; private set; }

    private double Now => _knots[^1].Bytes / MiB;

    internal Series To(double mib, double seconds)
    {
        _knots.Add((Length + seconds, mib * MiB));
        return this;
    }

    internal Series Rise(double mibPerSecond, double to) => To(to, (to - Now) / mibPerSecond);

    internal Series Hold(double seconds) => To(Now, seconds);

    internal Series Jump(double to) => To(to, 0);

    /// <summary>A garbage-collected heap: it climbs, and falls at once.</summary>
    internal Series Teeth(int count, double from, double to, double seconds, double leakPerTooth = 0)
    {
        for (var i = 0; i < count; i++)
            Jump(from + (i * leakPerTooth)).To(to + (i * leakPerTooth), seconds);
        return this;
    }

    /// <summary>Any value within this of the line, the same at the same time.</summary>
    internal Series Noise(double mib)
    {
        _noise = mib * MiB;
        return this;
    }

    internal Series Limit(long? mib, double at = 0)
    {
        if (at == 0)
            _limits.Clear();
        _limits.Add((at, mib * (1L << 20)));
        return this;
    }

    /// <summary>Page cache that the kernel would drop first.</summary>
    internal Series WithInactiveFile(Series cache)
    {
        InactiveFile = cache;
        return this;
    }

    /// <summary>Page cache in use.</summary>
    internal Series WithActiveFile(Series cache)
    {
        ActiveFile = cache;
        return this;
    }

    internal long? LimitAt(double seconds) => _limits.Last(limit => limit.At <= seconds).Limit;

    internal long BytesAt(double seconds)
    {
        var next = _knots.FindIndex(knot => knot.At > seconds);
        var line = next < 0 ? _knots[^1].Bytes : Between(_knots[next - 1], _knots[next], seconds);
        return (long)Math.Max(0, line + (_noise * Wobble(seconds)));
    }

    private static double Between((double At, double Bytes) a, (double At, double Bytes) b, double at) =>
        a.Bytes + ((b.Bytes - a.Bytes) * (at - a.At) / (b.At - a.At));

    private static double Wobble(double seconds)
    {
        var bits = (ulong)BitConverter.DoubleToInt64Bits(seconds) * 0x9E3779B97F4A7C15;
        bits ^= bits >> 29;
        bits *= 0xBF58476D1CE4E5B9;
        return ((bits >> 40) / (double)(1 << 24) * 2) - 1;
    }
}
