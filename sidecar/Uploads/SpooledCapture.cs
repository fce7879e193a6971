using System.Security.Cryptography;
using System.Text.Json;
using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>One capture in the spool: its record and its files. Safe to use from the capture and the uploader at once.</summary>
internal sealed class SpooledCapture
{
    private readonly Spool _spool;
    private readonly string _folder;
    private readonly Lock _lock = new();
    private SpoolEntry _entry;

    internal SpooledCapture(Spool spool, string folder, SpoolEntry entry)
    {
        _spool = spool;
        _folder = folder;
        _entry = entry;
    }

    public CaptureRecord Record => Volatile.Read(ref _entry).Record;

    /// <summary>Whether nothing more will be added to it.</summary>
    public bool IsFinal => Volatile.Read(ref _entry).IsFinal;

    /// <summary>Whether it was begun by an earlier life of the sidecar, whose uploads may have been cut off.</summary>
    public bool IsRecovered { get; set; }

    /// <summary>The artifacts that have a file which is not in the store yet.</summary>
    public IReadOnlyList<Artifact> Unstored
    {
        get
        {
            var entry = Volatile.Read(ref _entry);
            return [.. entry.Record.Artifacts.Where(artifact => artifact.HasFile && !entry.Stored.Contains(artifact.Key))];
        }
    }

    /// <summary>Who asked for it; null: a trigger did.</summary>
    public RequestReference? Request => Volatile.Read(ref _entry).Request;

    public string PathOf(string key) => Path.Combine(_folder, key);

    /// <summary>Begins a file; <see cref="SpoolFile.Complete"/> and <see cref="Add"/> make it part of the capture.</summary>
    public SpoolFile Begin(string key) => new(_spool, PathOf(key));

    /// <summary>Makes a file, or the reason why there is none, part of the capture. What had its key before is replaced, in the store too.</summary>
    public void Add(Artifact artifact)
    {
        long replaced = 0;
        Change(entry =>
        {
            replaced = entry.Record.Artifacts.Where(other => other.Key == artifact.Key && other.HasFile).Sum(other => other.Bytes);
            return entry with
            {
                Record = entry.Record with { Artifacts = [.. entry.Record.Artifacts.Where(other => other.Key != artifact.Key), artifact] },
                Stored = [.. entry.Stored.Where(key => key != artifact.Key)],
            };
        });
        _spool.Release(replaced);
    }

    /// <param name="durable">Whether to wait for the disk.</param>
    public void Update(Func<CaptureRecord, CaptureRecord> change, bool durable = true) =>
        Change(entry => entry with { Record = change(entry.Record) }, durable);

    public void MarkStored(string key) => Change(entry => entry with { Stored = [.. entry.Stored, key] });

    /// <summary>The store that it goes to. What is in another already goes there once more: a capture is never in two halves.</summary>
    public void GoTo(string location)
    {
        if (Volatile.Read(ref _entry).StoredIn == location)
            return;
        Change(entry => entry with { StoredIn = location, Stored = entry.StoredIn is null ? entry.Stored : [] }, durable: false);
    }

    /// <summary>What there is to report of it now. Each has a higher number than those before, in whichever life of the sidecar.</summary>
    /// <param name="location">Where it is stored; null: it is not.</param>
    /// <param name="as">What the report says otherwise than the record.</param>
    public CaptureReport NextReport(string? location = null, Func<CaptureRecord, CaptureRecord>? @as = null)
    {
        CaptureReport? report = null;
        Change(
            entry =>
            {
                entry = entry with { Reports = entry.Reports + 1 };
                report = new CaptureReport(@as?.Invoke(entry.Record) ?? entry.Record, location, entry.Request) { Sequence = entry.Reports };
                return entry;
            },
            durable: false);
        return report!;
    }

    /// <summary>Closes the record: it goes to the store as the manifest.</summary>
    public void Complete(Func<CaptureRecord, CaptureRecord> last) =>
        Change(entry => entry with { Record = last(entry.Record), IsFinal = true });

    /// <summary>Writes the record as the manifest that is to be stored, and returns the file and its hash.</summary>
    public (string Path, string Sha256) WriteManifest()
    {
        var content = JsonSerializer.SerializeToUtf8Bytes(Record, ContractsJson.Default.CaptureRecord);
        var path = PathOf(Names.Manifest);
        _spool.Write(path, content, durable: true);
        return (path, Convert.ToHexStringLower(SHA256.HashData(content)));
    }

    /// <summary>Everything is in the store: the files go.</summary>
    public void Remove()
    {
        // Renamed first, so that a kill in between leaves no half of a capture.
        var trash = _spool.TrashFor(Record.Id);
        Directory.Move(_folder, trash);
        _spool.Remove(this);
        try
        {
            Directory.Delete(trash, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is out of the way; the next life of the sidecar takes out the trash.
        }
    }

    /// <exception cref="SpoolException">It could not be written; the file still says what it said before.</exception>
    internal void Save(bool durable)
    {
        try
        {
            _spool.Write(PathOf(Spool.EntryFile), JsonSerializer.SerializeToUtf8Bytes(_entry, SpoolJson.Default.SpoolEntry), durable);
        }
        catch (Exception e) when (e is (IOException and not SpoolException) or UnauthorizedAccessException)
        {
            throw Spool.Failed(e);
        }
    }

    /// <summary>
    /// After a crash: files that were finished before the record knew of them are taken in, and artifacts whose file is not what the
    /// record says are marked so.
    /// </summary>
    internal void AdoptFiles()
    {
        var entry = _entry;
        var artifacts = entry.Record.Artifacts.Select(artifact => Checked(artifact, entry)).ToList();
        foreach (var path in Directory.EnumerateFiles(_folder).Order(StringComparer.Ordinal))
        {
            var key = Path.GetFileName(path);
            if (key is Spool.EntryFile or Names.Manifest || key.EndsWith(".tmp", StringComparison.Ordinal) || artifacts.Exists(artifact => artifact.Key == key))
                continue;
            if (HashOf(key) is not { } hash)
                continue;
            var artifact = new Artifact { Type = ArtifactKeys.TypeOf(key), Key = key, Bytes = new FileInfo(path).Length, Sha256 = hash };
            if (artifact.Type == ArtifactKeys.Baseline)
            {
                // Of what age it is the shelf alone can tell, and one that is of no age cannot be compared with anything.
                if (_spool.Baselines.Find(hash) is not { } baseline)
                    continue;
                artifact = artifact with { TakenAt = baseline.TakenAt, Heap = baseline.Heap };
            }
            artifacts.Add(artifact);
        }
        foreach (var planned in entry.Record.Plan)
            if (planned.Decision != PlanDecisions.Skipped && ArtifactKeys.Of(planned, entry.Record.Target.Runtime?.Kind) is var key && !artifacts.Exists(artifact => artifact.Key == key))
                artifacts.Add(new Artifact
                {
                    Type = planned.Type.ToString(),
                    Key = key,
                    Error = "the sidecar was killed before this was captured",
                    Reason = Reasons.Interrupted,
                });
        if (artifacts.SequenceEqual(entry.Record.Artifacts))
            return;
        // Not final any more, if it was: whether it is whole has to be judged again.
        Change(before => before with { Record = before.Record with { Artifacts = artifacts }, IsFinal = false });
    }

    private Artifact Checked(Artifact artifact, SpoolEntry entry) =>
        !artifact.HasFile || entry.Stored.Contains(artifact.Key) || HashOf(artifact.Key) == artifact.Sha256
            ? artifact
            : artifact with { Sha256 = null, Error = "the spooled file was damaged when the sidecar was killed", Reason = Reasons.Interrupted };

    private string? HashOf(string key)
    {
        try
        {
            using var file = File.OpenRead(PathOf(key));
            return Convert.ToHexStringLower(SHA256.HashData(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Change(Func<SpoolEntry, SpoolEntry> change, bool durable = true)
    {
        lock (_lock)
        {
            Volatile.Write(ref _entry, change(_entry));
            try
            {
                Save(durable);
            }
            catch (SpoolException)
            {
                // A full disk must not end the capture. In this life the record stands, and the next change writes all of it; should the
                // sidecar be killed before, the next one takes in the files that are there.
            }
        }
    }
}
