using System.Globalization;
using Premortem.Contracts;

namespace Premortem.Cli.Fetching;

/// <summary>How far a fetch is: one line that is written anew on a terminal, a line a file elsewhere.</summary>
internal sealed class FetchProgress(TextWriter errors, bool isTerminal, TimeProvider time)
{
    private static readonly TimeSpan s_pace = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();
    private int _files, _done;
    private long _bytes, _had, _came, _started, _shown;

    internal void Begin(int files, long bytes)
    {
        (_files, _bytes, _started) = (files, bytes, time.GetTimestamp());
        _shown = _started;
    }

    /// <summary>Bytes that have come; <paramref name="here"/>: that were here before. Less than nothing: they were wrong and come again.</summary>
    internal void Add(long bytes, bool here = false)
    {
        lock (_lock)
        {
            _had += here ? bytes : 0;
            _came += here ? 0 : bytes;
            if (isTerminal && time.GetElapsedTime(_shown) >= s_pace)
                Show_NeedsLock();
        }
    }

    internal void Done(string name, long bytes, string? remark = null)
    {
        lock (_lock)
        {
            _done++;
            if (isTerminal)
                Show_NeedsLock();
            else
                errors.WriteLine($"{name}: {Quantity.ForPeople(bytes)}{(remark is null ? "" : ", " + remark)}");
        }
    }

    internal void Note(string text)
    {
        lock (_lock)
        {
            Clear_NeedsLock();
            errors.WriteLine(text);
        }
    }

    internal void End()
    {
        lock (_lock)
            Clear_NeedsLock();
    }

    private void Show_NeedsLock()
    {
        _shown = time.GetTimestamp();
        var rate = _came / Math.Max(0.001, time.GetElapsedTime(_started).TotalSeconds);
        errors.Write(string.Create(
            CultureInfo.InvariantCulture,
            $"\r\e[K{_done} of {_files} files, {Quantity.ForPeople(_had + _came)} of {Quantity.ForPeople(_bytes)}, {Quantity.ForPeople((long)rate)}/s"));
        errors.Flush();
    }

    private void Clear_NeedsLock()
    {
        if (isTerminal)
            errors.Write("\r\e[K");
    }
}
