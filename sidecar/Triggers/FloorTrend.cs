namespace Premortem.Sidecar.Triggers;

/// <summary>
/// Whether the floor of a sawtooth climbs through a window. Kept are the lowest values of 70 stretches of a sixtieth of the window each,
/// whatever the window and the rate of samples: a window, and a sixth more at its end, over which "now" is taken.
/// </summary>
/// <remarks>
/// The floor at a time is the lowest that memory has been since, so that the climb of a tooth counts only as far as memory never comes
/// back. That alone would rise through noise, too: what is asked besides is in docs/adr/0009.
/// </remarks>
internal sealed class FloorTrend(TimeSpan window)
{
    /// <summary>Stretches a window; the floor of a window ago against the floor now.</summary>
    private const int WindowStretches = 60;

    /// <summary>Over so many the lowest is a floor: a tooth has to end within them.</summary>
    private const int GroupStretches = WindowStretches / 6;
    private const int Stretches = WindowStretches + GroupStretches;
    private const int Groups = Stretches / GroupStretches;

    /// <summary>Of all pairs of groups, the later has to be the higher in so many more than not. By chance it happens once in two hundred times.</summary>
    private const int LeastConcordance = 17;

    /// <summary>What lies within a tenth of the window is one step, and a climb does not consist of one or two.</summary>
    private const int StepStretches = WindowStretches / 10;
    private const double MostInOneStep = 0.4;

    /// <summary>Each third of the window has to hold this share of the climb, and the last at least half of what the first one does.</summary>
    private const double LeastInOneThird = 0.15;
    private const double LastToFirst = 0.5;

    /// <summary>It has to be so at the end of so many stretches one after another: teeth that are seen rarely seem to climb for a moment.</summary>
    private const int LeastInARow = 6;

    /// <summary>Less than this is an allocator's own: a huge page.</summary>
    private const long LeastClimbBytes = 2 << 20;

    /// <summary>For so many slots of an hour at least, what the floor has been before excuses what it is now.</summary>
    private const int PastSlots = 32;

    private readonly TimeSpan _stretch = window / WindowStretches;
    private readonly TimeSpan _slot = window / 6 > TimeSpan.FromHours(1) ? window / 6 : TimeSpan.FromHours(1);
    private readonly long[] _lows = new long[Stretches];
    private readonly (long Slot, long Floor)[] _past = new (long, long)[PastSlots];
    private TimeSpan? _begin;
    private long _closed;
    private long _low = long.MaxValue;
    private TimeSpan _lastAt;
    private long _leaving = long.MaxValue;
    private int _left;
    private int _inARow;

    /// <summary>How long has to be watched before it can say anything.</summary>
    public static TimeSpan NotBefore(TimeSpan window) => window / WindowStretches * (Stretches + LeastInARow - 1);

    /// <summary>Takes in one value; true when a stretch has ended and <see cref="Climb"/> is to be asked, once.</summary>
    public bool Add(TimeSpan elapsed, long bytes)
    {
        // Where nobody looked for so long, a tooth may have ended unseen.
        if (_begin is { } known && elapsed - _lastAt > _stretch * GroupStretches)
            StartAnew();
        if (_begin is not { } begin)
            _begin = begin = elapsed;
        else if (elapsed < _lastAt)
            return false;
        _lastAt = elapsed;
        var stretch = (elapsed - begin).Ticks / _stretch.Ticks;
        var hasEnded = stretch > _closed;
        while (_closed < stretch)
        {
            Close(_low);
            _low = long.MaxValue;
        }
        _low = Math.Min(_low, bytes);
        return hasEnded;
    }

    /// <summary>The climb of the floor by at least this share; null: there is none, or it cannot be told from noise, steps and load.</summary>
    public (long FromBytes, long ToBytes)? Climb(double leastGrowth)
    {
        var climb = Judge(leastGrowth);
        _inARow = climb is null ? 0 : _inARow + 1;
        return _inARow >= LeastInARow ? climb : null;
    }

    private (long FromBytes, long ToBytes)? Judge(double leastGrowth)
    {
        if (_closed < Stretches)
            return null;
        Span<long> floors = stackalloc long[WindowStretches + 1];
        Span<long> groups = stackalloc long[Groups];
        groups.Fill(long.MaxValue);
        var lowest = long.MaxValue;
        for (var i = Stretches - 1; i >= 0; i--)
        {
            var low = _lows[(_closed + i) % Stretches];
            lowest = Math.Min(lowest, low);
            groups[i / GroupStretches] = Math.Min(groups[i / GroupStretches], low);
            if (i <= WindowStretches)
                floors[i] = lowest;
        }
        var (from, to) = (floors[0], floors[WindowStretches]);
        var climb = to - from;
        // Load comes and goes: only ground on which the floor has not been before is a climb.
        var ground = Math.Max(from, PastFloor());
        if (climb < LeastClimbBytes || to - ground < Math.Max(ground * leastGrowth, LeastClimbBytes) || groups.Contains(long.MaxValue))
            return null;
        return Concordance(groups) >= LeastConcordance && IsSpread(floors, climb) ? (from, to) : null;
    }

    /// <summary>From here on a further climb is asked for; what the floor has been stays known.</summary>
    public void StartAnew()
    {
        var kept = (int)Math.Min(_closed, Stretches);
        for (var i = 0; i < kept; i++)
            Leave(_lows[(_closed - kept + i) % Stretches]);
        (_begin, _closed, _low, _leaving, _left, _inARow) = (null, 0, long.MaxValue, long.MaxValue, 0, 0);
    }

    private static bool IsSpread(ReadOnlySpan<long> floors, long climb)
    {
        const int third = WindowStretches / 3;
        var first = floors[third] - floors[0];
        var second = floors[2 * third] - floors[third];
        var last = floors[WindowStretches] - floors[2 * third];
        if (Math.Min(first, Math.Min(second, last)) < climb * LeastInOneThird || last < first * LastToFirst)
            return false;
        for (var i = StepStretches; i < floors.Length; i++)
            if (floors[i] - floors[i - StepStretches] > climb * MostInOneStep)
                return false;
        return true;
    }

    /// <summary>Kendall's count: pairs in order less pairs out of order.</summary>
    private static int Concordance(ReadOnlySpan<long> values)
    {
        var count = 0;
        for (var i = 0; i < values.Length; i++)
            for (var j = i + 1; j < values.Length; j++)
                count += values[j].CompareTo(values[i]);
        return count;
    }

    private void Close(long low)
    {
        ref var place = ref _lows[_closed % Stretches];
        if (_closed >= Stretches)
            Leave(place);
        place = low;
        _closed++;
    }

    /// <summary>What leaves the window is remembered by floors of a sixth of it, as those within are taken.</summary>
    private void Leave(long low)
    {
        _leaving = Math.Min(_leaving, low);
        if (++_left < GroupStretches)
            return;
        var number = _lastAt.Ticks / _slot.Ticks;
        ref var slot = ref _past[number % PastSlots];
        if (_leaving != long.MaxValue)
            slot = slot.Slot == number && slot.Floor > _leaving ? slot : (number, _leaving);
        (_leaving, _left) = (long.MaxValue, 0);
    }

    private long PastFloor()
    {
        var oldest = (_lastAt.Ticks / _slot.Ticks) - PastSlots;
        long highest = 0;
        foreach (var (slot, floor) in _past)
            if (slot > oldest && floor > highest)
                highest = floor;
        return highest;
    }
}
