using System.Text.Json;
using Premortem.Contracts;
using Premortem.Sidecar.Uploads;

namespace Premortem.Sidecar.Records;

/// <summary>
/// The reports of captures that nobody has taken yet, one of each capture, the newest, in a folder of the spool: they survive the sidecar. Bounded
/// in number and bytes; what does not fit any more is the oldest. Safe from any thread.
/// </summary>
internal sealed class ReportQueue
{
    internal const int MostReports = 256;
    internal const long MostBytes = 8L << 20;

    private readonly string _directory;
    private readonly Lock _lock = new();
    private readonly LinkedList<Entry> _entries = [];
    private long _bytes;

    private ReportQueue(string directory) => _directory = directory;

    public int Count
    {
        get
        {
            lock (_lock)
                return _entries.Count;
        }
    }

    /// <summary>Takes over what an earlier life of the sidecar has left. A folder that cannot be used costs what it would keep, and nothing else.</summary>
    public static ReportQueue Open(string directory)
    {
        var queue = new ReportQueue(directory);
        try
        {
            Directory.CreateDirectory(directory);
            foreach (var file in new DirectoryInfo(directory).GetFiles().OrderBy(file => file.LastWriteTimeUtc))
                if (Read(file) is { } report)
                    queue.Add(new Entry(report.Record.Id, report.Sequence, file.Length, null));
                else
                    file.Delete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As with a disk that is full: reports wait in memory.
        }
        return queue;
    }

    /// <summary>Puts a report in the place of an older one of its capture.</summary>
    /// <returns>How many were given up for want of room, this one among them where it is too large for anybody to take.</returns>
    public int Put(CaptureReport report)
    {
        if (Content(report) is not { } content)
            return 1;
        lock (_lock)
        {
            if (Find(report.Record.Id) is { } older)
            {
                if (older.Value.Sequence >= report.Sequence)
                    return 0;
                // In its old place: whose first report waits longest goes first.
                _bytes += content.Length - older.Value.Bytes;
                older.Value = Written(report, content);
                return GiveUpOldest();
            }
            Add(Written(report, content));
            return GiveUpOldest();
        }
    }

    /// <summary>Those that wait, the longest first.</summary>
    public IReadOnlyList<Entry> Waiting
    {
        get
        {
            lock (_lock)
                return [.. _entries];
        }
    }

    /// <summary>The content of one; null where it cannot be read any more.</summary>
    public byte[]? ContentOf(Entry entry)
    {
        if (entry.Content is { } content)
            return content;
        try
        {
            return File.ReadAllBytes(PathOf(entry.Id));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>It was taken, or nobody ever will. A newer one of the same capture stays.</summary>
    public void Remove(Entry entry)
    {
        lock (_lock)
            if (Find(entry.Id) is { } node && node.Value.Sequence == entry.Sequence)
                Drop(node);
    }

    /// <summary>Nobody wants any.</summary>
    public void Clear()
    {
        lock (_lock)
            while (_entries.First is { } first)
                Drop(first);
    }

    private static CaptureReport? Read(FileInfo file)
    {
        try
        {
            if (file.Length > ReportPaths.MaxBytes)
                return null;
            var report = JsonSerializer.Deserialize(File.ReadAllBytes(file.FullName), ContractsJson.Compact.CaptureReport);
            return report is { Record: not null } && report.Record.Id + ".json" == file.Name ? report : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Null where it is larger than may be sent, even without what matters least.</summary>
    private static byte[]? Content(CaptureReport report)
    {
        var content = JsonSerializer.SerializeToUtf8Bytes(report, ContractsJson.Compact.CaptureReport);
        if (content.Length > ReportPaths.MaxBytes)
            content = JsonSerializer.SerializeToUtf8Bytes(report with { Record = report.Record with { AlsoFired = [], Plan = [] } }, ContractsJson.Compact.CaptureReport);
        return content.Length > ReportPaths.MaxBytes ? null : content;
    }

    private Entry Written(CaptureReport report, byte[] content)
    {
        try
        {
            DurableFile.Replace(PathOf(report.Record.Id), content, durable: false);
            return new Entry(report.Record.Id, report.Sequence, content.Length, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The disk is full: then in memory, for as long as that lasts.
            return new Entry(report.Record.Id, report.Sequence, content.Length, content);
        }
    }

    private int GiveUpOldest()
    {
        var given = 0;
        for (; _entries.Count > MostReports || (_bytes > MostBytes && _entries.Count > 1); given++)
            Drop(_entries.First!);
        return given;
    }

    private void Add(Entry entry)
    {
        _entries.AddLast(entry);
        _bytes += entry.Bytes;
    }

    private void Drop(LinkedListNode<Entry> node)
    {
        _entries.Remove(node);
        _bytes -= node.Value.Bytes;
        try
        {
            File.Delete(PathOf(node.Value.Id));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is sent once more by the next life of the sidecar, and changes nothing then.
        }
    }

    private LinkedListNode<Entry>? Find(string id)
    {
        for (var node = _entries.First; node is not null; node = node.Next)
            if (node.Value.Id == id)
                return node;
        return null;
    }

    private string PathOf(string id) => Path.Combine(_directory, id + ".json");

    /// <param name="Content">Null where it stands in its file.</param>
    internal sealed record Entry(string Id, int Sequence, long Bytes, byte[]? Content);
}
