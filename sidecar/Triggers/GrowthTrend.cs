namespace Premortem.Sidecar.Triggers;

/// <summary>
/// How fast memory grows, from samples at whatever distance they come. Two time scales are kept: the last few samples for a spike,
/// and a minute for a leak. A climb is what lies between two drops; a garbage collection ends one and starts the next.
/// </summary>
internal sealed class GrowthTrend
{
    private const int FastPoints = 8;
    private const int SlowPoints = 640;
    private const int FittedPoints = 24;
    private static readonly TimeSpan SlowSpacing = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LeastLately = TimeSpan.FromMilliseconds(250);

    /// <summary>Teeth are forgotten after this long: what a program did an hour ago does not excuse what it does now.</summary>
    private const int ToothMinutes = 10;

    private readonly Ring _fast = new(FastPoints);
    private readonly Ring _slow = new(SlowPoints);
    private readonly double[] _slopes = new double[FittedPoints * (FittedPoints - 1) / 2];
    private TimeSpan _climbStart;
    private long _trough;
    private long _peak;
    private bool _any;
    private readonly (long Minute, long Peak)[] _teeth = new (long, long)[ToothMinutes + 1];

    /// <summary>How long memory has climbed without a drop worth the name.</summary>
    public TimeSpan Climbing { get; private set; }

    /// <summary>The highest point from which memory has dropped in the last minutes; 0: it has not.</summary>
    public long LastPeakBytes { get; private set; }

    /// <param name="elapsed">Monotonic time; a sample that is not later than the one before is left out.</param>
    /// <param name="bytes">Memory that cannot be reclaimed, so that page cache is no growth.</param>
    /// <param name="dropBytes">What counts as a drop.</param>
    public void Add(TimeSpan elapsed, long bytes, long dropBytes)
    {
        if (_any && elapsed <= _fast.Last.Elapsed)
            return;
        if (!_any)
        {
            (_climbStart, _trough, _peak) = (elapsed, bytes, bytes);
        }
        else if (bytes < _peak - dropBytes)
        {
            // Asked before the trough: a collection that frees more than the one before is a drop all the same.
            RememberTooth(elapsed, _peak);
            (_climbStart, _trough, _peak) = (elapsed, bytes, bytes);
            _fast.Clear();
        }
        else if (bytes < _trough)
        {
            // The peak stays: a slow slide is a drop too, once it has gone far enough.
            (_climbStart, _trough) = (elapsed, bytes);
        }
        else if (bytes > _peak)
        {
            _peak = bytes;
        }
        // Standing at the foot of a climb is not climbing, however long.
        if (_peak <= _trough + dropBytes)
            _climbStart = elapsed;
        _any = true;
        _fast.Add(new Point(elapsed, bytes));
        if (_slow.Count == 0 || elapsed - _slow.Last.Elapsed >= SlowSpacing)
            _slow.Add(new Point(elapsed, bytes));
        Climbing = elapsed - _climbStart;
        LastPeakBytes = HighestTooth(elapsed);
    }

    /// <summary>By how much memory has grown within the last <paramref name="window"/> of the present climb.</summary>
    public long GrownBytes(TimeSpan window)
    {
        if (!_any)
            return 0;
        var (now, bytes) = _fast.Last;
        if (now - window <= _climbStart)
            return bytes - _trough;
        // From the newest back: what is asked for is seconds, and what is kept may be many minutes.
        var first = _slow.Count;
        while (first > 0 && _slow[first - 1].Elapsed >= now - window)
            first--;
        return first == _slow.Count ? 0 : Math.Max(0, bytes - _slow[first].Bytes);
    }

    /// <summary>Bytes a second over the last few samples; null before there are four.</summary>
    public double? SpikeBytesPerSecond => _fast.Count < 4 ? null : TheilSen(_fast, 0);

    /// <summary>Bytes a second over at most the last <paramref name="window"/> of the present climb; null before there are three points.</summary>
    public double? BytesPerSecond(TimeSpan window)
    {
        if (Slope(window) is not { } slope)
            return null;
        // It has to go on: a fill that has ended is a slope for as long as the window remembers it. Where growth has fallen to less than
        // a quarter, what it does now is what counts.
        var lately = window / 4 > LeastLately ? window / 4 : LeastLately;
        var now = GrownBytes(lately) / lately.TotalSeconds;
        return now < slope / 4 ? now : slope;
    }

    /// <summary>The same, whether it goes on or not.</summary>
    public double? Slope(TimeSpan window)
    {
        if (_slow.Count == 0)
            return null;
        var since = _slow.Last.Elapsed - window;
        if (since < _climbStart)
            since = _climbStart;
        var first = _slow.Count - 1;
        while (first > 0 && _slow[first - 1].Elapsed >= since)
            first--;
        return _slow.Count - first < 3 ? null : TheilSen(_slow, first);
    }

    /// <summary>The highest tooth of each of the last minutes is kept: a lower one after it must not be all that is left of it.</summary>
    private void RememberTooth(TimeSpan at, long peak)
    {
        var minute = (long)at.TotalMinutes;
        ref var slot = ref _teeth[minute % _teeth.Length];
        slot = slot.Minute == minute && slot.Peak > peak ? slot : (minute, peak);
    }

    private long HighestTooth(TimeSpan now)
    {
        var oldest = (long)now.TotalMinutes - ToothMinutes;
        long highest = 0;
        foreach (var (minute, peak) in _teeth)
            if (minute >= oldest && peak > highest)
                highest = peak;
        return highest;
    }

    /// <summary>The median of the slopes between all pairs: up to a quarter of the points may be anything without moving it much.</summary>
    private double TheilSen(Ring points, int first)
    {
        var count = points.Count - first;
        var taken = Math.Min(count, FittedPoints);
        var slopes = 0;
        for (var i = 0; i < taken; i++)
            for (var j = i + 1; j < taken; j++)
            {
                var a = points[first + (int)((long)i * (count - 1) / (taken - 1))];
                var b = points[first + (int)((long)j * (count - 1) / (taken - 1))];
                _slopes[slopes++] = (b.Bytes - a.Bytes) / (b.Elapsed - a.Elapsed).TotalSeconds;
            }
        var span = _slopes.AsSpan(0, slopes);
        span.Sort();
        return span[slopes / 2];
    }

    private readonly record struct Point(TimeSpan Elapsed, long Bytes);

    private sealed class Ring(int capacity)
    {
        private readonly Point[] _points = new Point[capacity];
        private int _start;

        public int Count { get; private set; }

        public Point Last => this[Count - 1];

        public Point this[int index] => _points[(_start + index) % _points.Length];

        public void Add(Point point)
        {
            if (Count < _points.Length)
                _points[(_start + Count++) % _points.Length] = point;
            else
            {
                _points[_start] = point;
                _start = (_start + 1) % _points.Length;
            }
        }

        public void Clear() => Count = 0;
    }
}
