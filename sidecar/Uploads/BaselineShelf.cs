using Premortem.Contracts;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// The baselines on the spool's disk, a folder for each life of a target. They survive the sidecar. They have a small share of the
/// spool, and give it back, oldest first, when captures need it.
/// </summary>
internal sealed class BaselineShelf(string directory, Spool spool) : ISpoolRoom
{
    /// <summary>Of the spool's capacity, all baselines together: an eighth.</summary>
    private const int ShareOfSpool = 8;

    private const string Unfinished = "new";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, List<Baseline>> _lives = [];

    // Lives that an earlier life of the sidecar has recorded and that have not been met again.
    private readonly HashSet<string> _unclaimed = [];
    private long _bytes;

    /// <summary>What they take now, that which is being written included.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>What one of them may take at most, so that as many as are kept have room, the one of goroutines, and the next before the oldest goes.</summary>
    /// <param name="keep">How many are kept of a target.</param>
    public long MostBytes(int keep) => ShareBytes / (keep + 2);

    private long ShareBytes => spool.CapacityBytes / ShareOfSpool;

    /// <summary>The baselines of one life: those of memory, newest first, and then the one of goroutines.</summary>
    public IReadOnlyList<Baseline> Of(string life)
    {
        lock (_lock)
        {
            _unclaimed.Remove(life);
            return _lives.TryGetValue(life, out var baselines) ? [.. baselines.OrderBy(baseline => baseline.IsGoroutines)] : [];
        }
    }

    /// <summary>Begins one; <see cref="Complete"/> makes it part of the shelf.</summary>
    /// <exception cref="SpoolException">The disk refused.</exception>
    public SpoolFile Begin(string life)
    {
        var folder = Path.Combine(directory, life);
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Spool.Failed(e);
        }
        return new SpoolFile(this, Path.Combine(folder, Unfinished));
    }

    /// <summary>The baseline of that content, of whatever life; null: there is none.</summary>
    public Baseline? Find(string sha256)
    {
        lock (_lock)
            return _lives.Values.SelectMany(baselines => baselines).FirstOrDefault(baseline => baseline.Sha256 == sha256);
    }

    /// <summary>
    /// Keeps what was begun, and lets the oldest of its kind go where there are more than <paramref name="keep"/>. The last one of a heap stays beside newer
    /// ones of allocations: with nothing else can a heap be compared.
    /// </summary>
    /// <exception cref="SpoolException">The disk refused.</exception>
    public Baseline Complete(string life, SpoolFile file, DateTimeOffset takenAt, string key, HeapFigures? heap, int keep)
    {
        var sha256 = file.Complete();
        var folder = Path.Combine(directory, life);
        var path = Path.Combine(folder, Baseline.FileName(takenAt, heap, key, sha256));
        var baseline = new Baseline(takenAt, key, sha256, file.Length, path, heap);
        lock (_lock)
        {
            try
            {
                File.Move(Path.Combine(folder, Unfinished), path, overwrite: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Release(file.Length);
                throw Spool.Failed(e);
            }
            if (!_lives.TryGetValue(life, out var baselines))
                _lives.Add(life, baselines = []);
            baselines.Insert(0, baseline);
            var ofKind = baselines.FindAll(each => each.IsGoroutines == baseline.IsGoroutines);
            while (ofKind.Count > keep)
            {
                var oldest = keep > 1 && ofKind.FindAll(each => each.IsHeap) is [var onlyHeap] && onlyHeap == ofKind[^1] ? ofKind[^2] : ofKind[^1];
                ofKind.Remove(oldest);
                Delete(baselines, oldest);
            }
        }
        return baseline;
    }

    /// <summary>The life is over, and what had to be made of its baselines is made.</summary>
    public void Drop(string life)
    {
        lock (_lock)
        {
            _unclaimed.Remove(life);
            if (_lives.Remove(life, out var baselines))
                while (baselines.Count > 0)
                    Delete(baselines, baselines[^1]);
            DeleteFolder(Path.Combine(directory, life));
        }
    }

    /// <summary>Drops what is of lives that nobody has asked for: they ended while no sidecar looked.</summary>
    /// <param name="prefix">What the names of these lives begin with.</param>
    public void DropUnclaimed(string prefix = "")
    {
        string[] lives;
        lock (_lock)
            lives = [.. _unclaimed.Where(life => life.StartsWith(prefix, StringComparison.Ordinal))];
        foreach (var life in lives)
            Drop(life);
    }

    void ISpoolRoom.Reserve(long bytes)
    {
        if (TryReserve(bytes))
            return;
        DropUnclaimed();
        if (!TryReserve(bytes))
            throw new SpoolException(Reasons.SpoolFull, $"baselines hold {Quantity.ForPeople(Bytes)}, and may have {Quantity.ForPeople(ShareBytes)} of the spool, where captures leave it");
    }

    void ISpoolRoom.Release(long bytes) => Release(bytes);

    /// <summary>A capture needs the room.</summary>
    internal void ShrinkTo(long bytes)
    {
        if (Bytes <= bytes)
            return;
        lock (_lock)
            while (Bytes > bytes && _lives.Values.Where(baselines => baselines.Count > 0).MinBy(baselines => baselines[^1].TakenAt) is { } baselines)
                Delete(baselines, baselines[^1]);
    }

    /// <summary>Takes over what an earlier life of the sidecar has left.</summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    internal void Recover()
    {
        if (!Directory.Exists(directory))
            return;
        foreach (var folder in Directory.EnumerateDirectories(directory))
        {
            var baselines = new List<Baseline>();
            foreach (var path in Directory.EnumerateFiles(folder))
                if (Baseline.FromFile(path) is { } baseline)
                    baselines.Add(baseline);
                else
                    // It was being written when the sidecar was killed.
                    File.Delete(path);
            if (baselines.Count == 0)
            {
                DeleteFolder(folder);
                continue;
            }
            baselines.Sort((a, b) => b.TakenAt.CompareTo(a.TakenAt));
            var life = Path.GetFileName(folder);
            _lives.Add(life, baselines);
            _unclaimed.Add(life);
            _bytes += baselines.Sum(baseline => baseline.Bytes);
        }
    }

    /// <summary>With all recovered: what is more than its share goes, and what captures need.</summary>
    internal void ShrinkToShare() => ShrinkTo(Math.Min(ShareBytes, Math.Max(0, spool.CapacityBytes - spool.UsedBytes)));

    private bool TryReserve(long bytes)
    {
        var held = Interlocked.Add(ref _bytes, bytes);
        if (held <= ShareBytes && held <= spool.CapacityBytes - spool.UsedBytes)
            return true;
        Release(bytes);
        return false;
    }

    private void Release(long bytes) => Interlocked.Add(ref _bytes, -bytes);

    private void Delete(List<Baseline> baselines, Baseline baseline)
    {
        baselines.Remove(baseline);
        Release(baseline.Bytes);
        try
        {
            File.Delete(baseline.Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is found again when the sidecar starts the next time.
        }
    }

    private static void DeleteFolder(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As with a file.
        }
    }
}
