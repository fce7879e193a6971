using System.Globalization;

namespace Premortem.Profiles.GoTrace;

/// <summary>
/// Reads what Go's <c>/debug/pprof/trace</c> and <c>runtime/trace</c> write, every event of it: the format of 1.11 to 1.21, and that of 1.22 and
/// later, which goes by generations. Their source is Go's internal/trace.
/// </summary>
public sealed class GoTraceReader
{
    private const int HeaderBytes = 16;
    private const int MaxBytes = 1 << 30;
    private const int MaxText = 1_000_000;
    private const int MaxBatch = 64 << 10;

    // The second format's events: how many numbers follow each. Negative: not an event with a time.
    private static readonly sbyte[] Numbers =
    [
        -1, -1, -1, -1, -1, -1, -1, -1, -1, 3, 3, 1, 4, 3, 4, 2, 3, 1, 1, 3, 3, 4, 3, 1, 1, 4, 3, 1, 2, 3, 2, 2, 2, 3, 2, 2, 1, 2, 2, 2, 5, 3, 4, 4, 5,
        3, 3, 4, 5,
    ];

    private readonly byte[] _data;
    private readonly int _length;
    private readonly int _version;
    private readonly HashSet<ulong> _goroutines = [];
    private readonly List<(long At, bool IsBegin)> _collections = [];
    private readonly List<(long At, bool IsBegin)> _stops = [];
    private int _at = HeaderBytes;
    private bool _isPartial;
    private long _ended;
    private long _events;
    private long _first = long.MaxValue;
    private long _last = long.MinValue;
    private ulong _frequency;
    private ulong _heapPeak;

    private GoTraceReader(byte[] data, int length, int version) => (_data, _length, _version) = (data, length, version);

    /// <summary>Whether these are the first bytes of such a file.</summary>
    public static bool IsOne(ReadOnlySpan<byte> head) => VersionOf(head) is not null;

    /// <exception cref="ProfileFormatException">It is none, or is damaged. One that is cut off is read as far as it goes.</exception>
    public static GoTraceSummary Read(Stream stream)
    {
        var (data, length) = Pprof.ProfileBytes.Read(stream, MaxBytes);
        var version = VersionOf(data.AsSpan(0, Math.Min(length, HeaderBytes))) ?? throw new ProfileFormatException("this is no execution trace of Go", 0);
        if (version is < 11 or > 26)
            throw new ProfileFormatException($"an execution trace of Go 1.{version}; those of 1.11 to 1.26 can be read", 0);
        var reader = new GoTraceReader(data, length, version);
        if (version < 22)
            reader.ReadEvents();
        else
            reader.ReadBatches();
        return reader.ToSummary();
    }

    /// <summary>Of <c>go 1.26 trace</c> the 26.</summary>
    private static int? VersionOf(ReadOnlySpan<byte> head)
    {
        if (head.Length < HeaderBytes || !head.StartsWith("go 1."u8))
            return null;
        var digits = head[5..].IndexOf((byte)' ');
        return digits is 1 or 2 && head[(5 + digits)..HeaderBytes].TrimEnd((byte)0).SequenceEqual(" trace"u8)
            && int.TryParse(head.Slice(5, digits), NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : null;
    }

    private GoTraceSummary ToSummary()
    {
        if (_frequency == 0 && !_isPartial)
            throw Wrong("the trace does not say how fast its clock ticks", _length);
        if (_events == 0)
            throw Wrong("the trace has no events", _length);
        var (collections, collecting) = Sum(_collections);
        return new GoTraceSummary
        {
            Version = $"go 1.{_version}",
            Duration = Time((double)_last - _first),
            Events = _events,
            Goroutines = _goroutines.Count,
            GoroutinesLeft = (int)Math.Max(0, _goroutines.Count - _ended),
            Collections = collections,
            Collecting = Time(collecting),
            Stopped = Time(Sum(_stops).Ticks),
            HeapPeakBytes = (long)Math.Min(_heapPeak, long.MaxValue),
            IsPartial = _isPartial,
        };
    }

    // Without a clock, which is told at the end of the first format, no time can be said.
    private TimeSpan Time(double ticks) => _frequency == 0 ? default : TimeSpan.FromSeconds(Math.Clamp(ticks / _frequency, 0, 1e9));

    /// <summary>How often and how long something was, by its beginnings and ends in any order; both may lie outside the trace.</summary>
    private (int Count, double Ticks) Sum(List<(long At, bool IsBegin)> marks)
    {
        marks.Sort((a, b) => a.At != b.At ? a.At.CompareTo(b.At) : a.IsBegin.CompareTo(b.IsBegin));
        var (count, ticks) = (0, 0d);
        long? since = marks is [(_, false), ..] ? _first : null;
        foreach (var (at, isBegin) in marks)
        {
            if (isBegin)
                since ??= at;
            else if (since is { } begin)
            {
                (count, ticks, since) = (count + 1, ticks + at - begin, null);
            }
        }
        return since is { } open ? (count + 1, ticks + _last - open) : (count, ticks);
    }

    private void ReadEvents()
    {
        long clock = 0;
        Span<ulong> numbers = stackalloc ulong[6];
        while (_at < _length)
        {
            var start = _at;
            var (type, count) = (_data[_at] & 0x3F, (_data[_at] >> 6) + 1);
            _at++;
            if (type is 0 or >= 50)
                throw Wrong($"there is no event {type}", start);
            const int text = 37, log = 48, many = 4;
            if (type == text)
            {
                _ = Number();
                TakeText();
            }
            else if (count < many)
            {
                for (var i = 0; i < count; i++)
                    numbers[i] = Number();
            }
            else
            {
                var bytes = Number();
                var end = _at + (long)Math.Min(bytes, int.MaxValue);
                for (count = 0; _at < end && !_isPartial; count++)
                    numbers[Math.Min(count, numbers.Length - 1)] = Number();
                if (_at != end && !_isPartial)
                    throw Wrong($"the event claims {bytes} bytes, and has {_at - end + (long)bytes}", start);
            }
            if (type == log)
                TakeText();
            if (_isPartial)
                return;
            numbers[Math.Min(count, numbers.Length)..].Clear();
            switch (type)
            {
                case 1:
                    clock = (long)numbers[1];
                    continue;
                case 2:
                    _frequency = numbers[0];
                    continue;
                case 3 or text or 35:
                    continue;
            }
            clock = unchecked(clock + (long)numbers[0]);
            Seen(clock);
            switch (type)
            {
                case 7 or 8:
                    _collections.Add((clock, type == 7));
                    break;
                case 9 or 10:
                    _stops.Add((clock, type == 9));
                    break;
                case 13 or 31 or 32:
                    _goroutines.Add(numbers[1]);
                    break;
                case 15:
                    _ended++;
                    break;
                case 33:
                    _heapPeak = Math.Max(_heapPeak, numbers[1]);
                    break;
            }
        }
    }

    private void ReadBatches()
    {
        const int batch = 1, experimental = 49, endOfGeneration = 52;
        while (_at < _length)
        {
            var start = _at;
            var type = _data[_at++];
            if (type == endOfGeneration && _version >= 26)
                continue;
            if (type is not (batch or experimental) || (type == experimental && _version < 23))
                throw Wrong($"where a batch should begin stands {type}", start);
            if (type == experimental)
                _at++;
            _ = Number();
            _ = Number();
            var clock = Number();
            var bytes = Number();
            if (bytes > MaxBatch)
                throw Wrong($"a batch claims {bytes} bytes, where at most {MaxBatch} are allowed", start);
            _isPartial |= (int)bytes > _length - _at;
            if (_isPartial)
                return;
            var end = _at + (int)bytes;
            if (type == batch && bytes > 0)
                ReadBatch(end, (long)clock);
            _at = end;
        }
    }

    private void ReadBatch(int end, long clock)
    {
        const int stacks = 2, strings = 4, samples = 6, frequency = 8, sync = 50, snapshot = 51;
        Span<ulong> numbers = stackalloc ulong[6];
        switch (_data[_at])
        {
            case stacks or strings or samples:
                return;
            case sync when _version >= 25:
                _at++;
                break;
        }
        while (_at < end)
        {
            var start = _at;
            var type = _data[_at++];
            var count = type switch
            {
                frequency => 1,
                snapshot when _version >= 25 => 4,
                _ when type < Numbers.Length => Numbers[type],
                _ => -1,
            };
            if (count < 0)
                throw Wrong($"there is no event {type}", start);
            for (var i = 0; i < count; i++)
                numbers[i] = Number();
            if (_at > end || _isPartial)
                throw Wrong("an event ends behind its batch", start);
            if (type == frequency)
                _frequency = numbers[0];
            if (type is frequency or snapshot)
                continue;
            clock = unchecked(clock + (long)numbers[0]);
            Seen(clock);
            switch (type)
            {
                case 14 or 15 or 25 or 47 or 48:
                    _goroutines.Add(numbers[1]);
                    break;
                case 17 or 18 or 46:
                    _ended++;
                    break;
                case 26 or 27:
                    _stops.Add((clock, type == 26));
                    break;
                // At the start of a generation it is said again that one is under way.
                case 28 or 29 or 30:
                    _collections.Add((clock, type != 30));
                    break;
                case 37:
                    _heapPeak = Math.Max(_heapPeak, numbers[1]);
                    break;
            }
        }
    }

    private void Seen(long clock)
    {
        _events++;
        (_first, _last) = (Math.Min(_first, clock), Math.Max(_last, clock));
    }

    private void TakeText()
    {
        var start = _at;
        var bytes = Number();
        if (bytes > MaxText)
            throw Wrong($"a text claims {bytes} bytes, where at most {MaxText} are allowed", start);
        _isPartial |= (int)bytes > _length - _at;
        _at = _isPartial ? _length : _at + (int)bytes;
    }

    /// <summary>Seven bits a byte, the lowest first. Past the end it is 0, and the trace cut off.</summary>
    private ulong Number()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if (_at >= _length)
            {
                _isPartial = true;
                return 0;
            }
            var b = _data[_at++];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
                return value;
        }
        throw Wrong("a number has more than ten bytes", _at - 10);
    }

    private static ProfileFormatException Wrong(string problem, long at) => new(problem, at);
}
