using System.Text.Json;
using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// Captures on their way to the store, one folder each: what was captured survives the sidecar, and is stored when it comes back.
/// The spool never holds more than its capacity, and never throws away what is complete.
/// </summary>
internal sealed class Spool : ISpoolRoom
{
    internal const string EntryFile = "capture.json";

    /// <summary>Room for records and manifests on a disk that is full: what is whole must be able to leave it.</summary>
    private const int ReserveBytes = 256 * 1024;

    private readonly string _directory;
    private readonly Dictionary<string, SpooledCapture> _captures = [];
    private readonly Lock _lock = new();
    private long _capacityBytes;
    private long _usedBytes;

    private Spool(string directory, long capacityBytes)
    {
        _directory = directory;
        _capacityBytes = capacityBytes;
        Baselines = new BaselineShelf(Path.Combine(directory, "baselines"), this);
    }

    /// <summary>Bytes of artifacts that are held now.</summary>
    public long UsedBytes => Interlocked.Read(ref _usedBytes);

    /// <summary>What captures may hold.</summary>
    public long CapacityBytes => Interlocked.Read(ref _capacityBytes);

    /// <summary>What the flight recorder keeps; captures come first.</summary>
    public BaselineShelf Baselines { get; }

    /// <summary>Opens the spool and takes over what an earlier life of the sidecar has left there.</summary>
    /// <param name="unreadable">What was found and could not be understood; it stays where it is.</param>
    /// <exception cref="IOException">The directory cannot be made or read.</exception>
    public static Spool Open(string directory, long capacityBytes, out IReadOnlyList<string> unreadable)
    {
        var spool = new Spool(directory, capacityBytes);
        Directory.CreateDirectory(spool.CapturesDirectory);
        if (Directory.Exists(spool.TrashDirectory))
            Directory.Delete(spool.TrashDirectory, recursive: true);
        Directory.CreateDirectory(spool.TrashDirectory);
        var bad = new List<string>();
        // Captures that were cut off while baselines were copied into them ask for these.
        spool.Baselines.Recover();
        foreach (var folder in Directory.EnumerateDirectories(spool.CapturesDirectory).Order(StringComparer.Ordinal))
            if (spool.Recover(folder) is { } problem)
                bad.Add(problem);
        unreadable = bad;
        spool.Baselines.ShrinkToShare();
        spool.MakeReserve();
        return spool;
    }

    /// <summary>Where the reports wait that nobody has taken yet.</summary>
    public string ReportsDirectory => Path.Combine(_directory, "reports");

    /// <summary>Where it stands which requests are done.</summary>
    public string RequestsFile => Path.Combine(_directory, "requests.json");

    private string CapturesDirectory => Path.Combine(_directory, "captures");

    private string TrashDirectory => Path.Combine(_directory, "trash");

    private string ReserveFile => Path.Combine(_directory, "reserve");

    /// <summary>The captures that are not wholly stored, oldest first.</summary>
    public IReadOnlyList<SpooledCapture> Captures
    {
        get
        {
            lock (_lock)
                return [.. _captures.Values.OrderBy(capture => capture.Record.StartedAt)];
        }
    }

    /// <exception cref="SpoolException">There is no room for even the record.</exception>
    /// <param name="request">Who asked for it; null: a trigger did.</param>
    public SpooledCapture Create(CaptureRecord record, RequestReference? request = null)
    {
        var folder = Path.Combine(CapturesDirectory, record.Id);
        try
        {
            Directory.CreateDirectory(folder);
            var capture = new SpooledCapture(this, folder, new SpoolEntry { Record = record, Request = request });
            // A trigger has fired and time is short: the disk is waited for when there is something to lose.
            try
            {
                capture.Save(durable: false);
            }
            catch (SpoolException)
            {
                Directory.Delete(folder, recursive: true);
                throw;
            }
            lock (_lock)
                _captures.Add(record.Id, capture);
            return capture;
        }
        catch (Exception e) when (e is (IOException and not SpoolException) or UnauthorizedAccessException)
        {
            throw Failed(e);
        }
    }

    /// <summary>The policy has changed. What is already held stays, be it too much.</summary>
    public void SetCapacity(long bytes) => Interlocked.Exchange(ref _capacityBytes, bytes);

    internal static SpoolException Failed(Exception e) => e is IOException io && DurableFile.IsDiskFull(io)
        ? new SpoolException(Reasons.DiskFull, "the disk of the spool is full", e)
        : new SpoolException(Reasons.Unexpected, $"the spool cannot be written: {e.Message}", e);

    /// <summary>Writes a record or a manifest, on a full disk with the room that was kept for it.</summary>
    internal void Write(string path, byte[] content, bool durable)
    {
        try
        {
            DurableFile.Replace(path, content, durable);
        }
        catch (IOException e) when (DurableFile.IsDiskFull(e) && File.Exists(ReserveFile))
        {
            File.Delete(ReserveFile);
            DurableFile.Replace(path, content, durable);
        }
    }

    internal string TrashFor(string id) => Path.Combine(TrashDirectory, id);

    public void Reserve(long bytes)
    {
        var used = Interlocked.Add(ref _usedBytes, bytes);
        var capacity = CapacityBytes;
        if (used <= capacity)
        {
            Baselines.ShrinkTo(capacity - used);
            return;
        }
        Release(bytes);
        throw new SpoolException(
            Reasons.SpoolFull,
            $"the spool holds {Quantity.ForPeople(UsedBytes)} that is not stored yet, and limits.spool is {Quantity.Format(_capacityBytes)}");
    }

    public void Release(long bytes) => Interlocked.Add(ref _usedBytes, -bytes);

    internal void Remove(SpooledCapture capture)
    {
        lock (_lock)
            if (!_captures.Remove(capture.Record.Id))
                return;
        Release(capture.Record.Artifacts.Where(artifact => artifact.HasFile).Sum(artifact => artifact.Bytes));
        MakeReserve();
    }

    private void MakeReserve()
    {
        try
        {
            if (!File.Exists(ReserveFile))
                DurableFile.Replace(ReserveFile, new byte[ReserveBytes], durable: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without it a full disk is waited for; it is made when a capture has left.
            File.Delete(ReserveFile + ".tmp");
        }
    }

    private string? Recover(string folder)
    {
        SpoolEntry? entry;
        try
        {
            entry = JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(folder, EntryFile)), SpoolJson.Default.SpoolEntry);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            if (e is FileNotFoundException && !Directory.EnumerateFileSystemEntries(folder).Any(path => Path.GetFileName(path) != EntryFile + ".tmp"))
            {
                // Killed between the folder and its record: nothing was captured yet.
                Directory.Delete(folder, recursive: true);
                return null;
            }
            return $"{folder}: {e.Message}";
        }
        // A list that the file leaves out is null, whatever its type says.
        if (entry is not { Stored: not null, Record: { Artifacts: not null, AlsoFired: not null, Plan: not null, Top: not null } })
            return $"{folder}: {EntryFile} is not whole";
        // The id names the folder, here and in the trash: one that does not is not ours.
        if (entry.Record.Id != Path.GetFileName(folder))
            return $"{folder}: {EntryFile} belongs to capture {ObjectPath.Segment(entry.Record.Id)}";
        foreach (var path in Directory.EnumerateFiles(folder).Where(SpoolFile.IsPart))
            File.Delete(path);
        var capture = new SpooledCapture(this, folder, entry) { IsRecovered = true };
        capture.AdoptFiles();
        Interlocked.Add(ref _usedBytes, capture.Record.Artifacts.Where(artifact => artifact.HasFile).Sum(artifact => artifact.Bytes));
        lock (_lock)
            _captures.Add(capture.Record.Id, capture);
        return null;
    }
}
