using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Premortem.Sidecar.Memory;

/// <summary>
/// Reads <c>memory.csv</c> row by row, in the same memory however long it is. Columns are known by their names: others are left out, and
/// those that are missing have their defaults. Several files may follow one another, each with its header.
/// </summary>
internal sealed class MemoryCsvReader(Stream stream)
{
    private const int LongestLine = 4096;
    private const double MostSeconds = 100 * 366 * 86400.0;

    private readonly byte[] _buffer = new byte[64 * 1024];
    private Column[]? _columns;
    private int _start;
    private int _end;
    private long _line;
    private bool _beginsFile;
    private DateTimeOffset? _firstAt;
    private TimeSpan _lastElapsed;

    private enum Column
    {
        Other,
        Time,
        Elapsed,
        WorkingSet,
        Usage,
        Unreclaimable,
        Limit,
        Ceiling,
        OomKills,
        HeapAfterGc,
        OutsideHeap,
        Event,
    }

    /// <exception cref="MemoryCsvException">What is there is no row of a memory.csv.</exception>
    public bool TryRead(out MemoryRow row)
    {
        while (TryReadLine(out var line))
        {
            if (line.IsEmpty)
                continue;
            if (_columns is null || IsHeader(line))
            {
                _columns = ReadHeader(line);
                (_beginsFile, _firstAt, _lastElapsed) = (true, null, TimeSpan.Zero);
                continue;
            }
            row = ReadRow(line, _columns);
            _beginsFile = false;
            return true;
        }
        if (_columns is null)
            throw new MemoryCsvException(1, "there is nothing; a memory.csv begins with the names of its columns");
        row = default;
        return false;
    }

    private static bool IsHeader(ReadOnlySpan<byte> line) => line[0] is (byte)'t' or (byte)'e' or (byte)'w' && line.IndexOf("working_set_bytes"u8) >= 0;

    private static Column Known(ReadOnlySpan<byte> name) => Encoding.UTF8.GetString(name.Trim((byte)' ')) switch
    {
        "time" => Column.Time,
        "elapsed_seconds" => Column.Elapsed,
        "working_set_bytes" => Column.WorkingSet,
        "usage_bytes" => Column.Usage,
        "unreclaimable_bytes" => Column.Unreclaimable,
        "limit_bytes" => Column.Limit,
        "ceiling_bytes" => Column.Ceiling,
        "oom_kills" => Column.OomKills,
        "heap_bytes" => Column.HeapAfterGc,
        "outside_heap_bytes" => Column.OutsideHeap,
        "event" => Column.Event,
        _ => Column.Other,
    };

    private Column[] ReadHeader(ReadOnlySpan<byte> line)
    {
        var columns = new List<Column>();
        for (var rest = line; ;)
        {
            var comma = rest.IndexOf((byte)',');
            var column = Known(comma < 0 ? rest : rest[..comma]);
            if (column != Column.Other && columns.Contains(column))
                throw Wrong("a column stands here twice");
            columns.Add(column);
            if (comma < 0)
                break;
            rest = rest[(comma + 1)..];
        }
        if (!columns.Contains(Column.WorkingSet))
            throw Wrong("is no header of a memory.csv: there is no column working_set_bytes");
        if (!columns.Contains(Column.Time) && !columns.Contains(Column.Elapsed))
            throw Wrong("there is neither a column time nor elapsed_seconds");
        return [.. columns];
    }

    private MemoryRow ReadRow(ReadOnlySpan<byte> line, Column[] columns)
    {
        DateTimeOffset? at = null;
        TimeSpan? elapsed = null;
        long? workingSet = null, usage = null, unreclaimable = null, limit = null, ceiling = null, kills = null, heap = null, outside = null;
        var events = "";
        var i = 0;
        for (var rest = line; i < columns.Length; i++)
        {
            var comma = rest.IndexOf((byte)',');
            var field = comma < 0 ? rest : rest[..comma];
            if (!field.IsEmpty)
                switch (columns[i])
                {
                    case Column.Time: at = ReadTime(field); break;
                    case Column.Elapsed: elapsed = ReadSeconds(field); break;
                    case Column.WorkingSet: workingSet = ReadCount(field, "working_set_bytes"); break;
                    case Column.Usage: usage = ReadCount(field, "usage_bytes"); break;
                    case Column.Unreclaimable: unreclaimable = ReadCount(field, "unreclaimable_bytes"); break;
                    case Column.Limit: limit = ReadCount(field, "limit_bytes"); break;
                    case Column.Ceiling: ceiling = ReadCount(field, "ceiling_bytes"); break;
                    case Column.OomKills: kills = ReadCount(field, "oom_kills"); break;
                    case Column.HeapAfterGc: heap = ReadCount(field, "heap_bytes"); break;
                    case Column.OutsideHeap: outside = ReadCount(field, "outside_heap_bytes"); break;
                    case Column.Event: events = Encoding.UTF8.GetString(field); break;
                    default: break;
                }
            if (comma < 0)
            {
                i++;
                break;
            }
            rest = rest[(comma + 1)..];
        }
        // The last column may be left out with its comma, as some programs do.
        if (i < columns.Length - 1)
            throw Wrong($"has {i} fields, and the header has {columns.Length}: a row that was cut off?");
        if (workingSet is not { } used)
            throw Wrong("has no working_set_bytes");
        if (at is null && elapsed is null)
            throw Wrong("has no time");
        _firstAt ??= at;
        var since = elapsed ?? (at!.Value - _firstAt!.Value);
        if (!_beginsFile && since < _lastElapsed)
            throw Wrong("is earlier than the row before; rows have to stand in the order of their time");
        _lastElapsed = since;
        var all = Math.Max(usage ?? used, used);
        var reading = new MemoryReading(all, all - used, used - Math.Min(unreclaimable ?? used, used), limit, kills);
        var sample = new MemorySample(at ?? DateTimeOffset.UnixEpoch + since, since, reading, ceiling ?? limit) { HeapAfterGcBytes = heap, OutsideHeapBytes = outside };
        return new MemoryRow(_line, sample, events, _beginsFile);
    }

    private TimeSpan ReadSeconds(ReadOnlySpan<byte> field) =>
        Utf8Parser.TryParse(field, out double seconds, out var length) && length == field.Length && seconds is >= 0 and <= MostSeconds
            ? TimeSpan.FromTicks((long)Math.Round(seconds * TimeSpan.TicksPerSecond))
            : throw Wrong($"elapsed_seconds is '{Shown(field)}', but has to be a number of seconds");

    private long ReadCount(ReadOnlySpan<byte> field, string column) =>
        Utf8Parser.TryParse(field, out long count, out var length) && length == field.Length && count is >= 0 and <= 1L << 60
            ? count
            : throw Wrong($"{column} is '{Shown(field)}', but has to be a whole number that is not negative");

    /// <summary>The form that the sidecar writes is read by hand, since a day has 86,400 of it; any other that is unambiguous by the framework.</summary>
    private DateTimeOffset ReadTime(ReadOnlySpan<byte> field)
    {
        if (field is [_, _, _, _, (byte)'-', _, _, (byte)'-', _, _, (byte)'T', _, _, (byte)':', _, _, (byte)':', _, _, (byte)'.', _, _, _, (byte)'Z']
            && Number(field[..4]) is var year and >= 1900 and <= 2200 && Number(field[5..7]) is var month and >= 1 and <= 12
            && Number(field[8..10]) is var day and >= 1 && day <= DateTime.DaysInMonth(year, month)
            && Number(field[11..13]) is var hour and >= 0 and <= 23 && Number(field[14..16]) is var minute and >= 0 and <= 59
            && Number(field[17..19]) is var second and >= 0 and <= 59 && Number(field[20..23]) is var milliseconds and >= 0)
            return new DateTimeOffset(year, month, day, hour, minute, second, milliseconds, TimeSpan.Zero);
        var text = Encoding.UTF8.GetString(field);
        // Times far out of reach would leave no room for windows and time zones around them.
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) && time.Year is >= 1900 and <= 2200
            ? time.ToUniversalTime()
            : throw Wrong($"time is '{Shown(field)}', but has to be a time like 2026-03-01T12:05:09.250Z");
    }

    private static int Number(ReadOnlySpan<byte> digits)
    {
        var number = 0;
        foreach (var digit in digits)
            number = digit is >= (byte)'0' and <= (byte)'9' && number >= 0 ? (number * 10) + digit - '0' : -1;
        return number;
    }

    private static string Shown(ReadOnlySpan<byte> field)
    {
        var text = Encoding.UTF8.GetString(field.Length > 40 ? field[..40] : field);
        return string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) + (field.Length > 40 ? "…" : "");
    }

    private MemoryCsvException Wrong(string message) => new(_line, message);

    /// <summary>The next line, without its end. It lies in the buffer until the next call.</summary>
    private bool TryReadLine(out ReadOnlySpan<byte> line)
    {
        var searched = 0;
        while (true)
        {
            var end = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (end >= 0 || _end - _start > LongestLine)
            {
                end = end < 0 ? LongestLine + 1 : end + searched;
                line = Line(_buffer.AsSpan(_start, end));
                _start += end + 1;
                return true;
            }
            searched = _end - _start;
            if (_start > 0)
            {
                _buffer.AsSpan(_start, searched).CopyTo(_buffer);
                (_start, _end) = (0, searched);
            }
            var read = stream.Read(_buffer, _end, _buffer.Length - _end);
            _end += read;
            if (read > 0)
                continue;
            line = _end > _start ? Line(_buffer.AsSpan(_start, _end - _start)) : default;
            var any = _end > _start;
            _start = _end;
            return any;
        }
    }

    private ReadOnlySpan<byte> Line(ReadOnlySpan<byte> line)
    {
        _line++;
        if (line.Length > LongestLine)
            throw Wrong($"is longer than {LongestLine} bytes");
        if (_line == 1 && line.StartsWith("\uFEFF"u8))
            line = line[3..];
        return line.TrimEnd((byte)'\r');
    }
}
