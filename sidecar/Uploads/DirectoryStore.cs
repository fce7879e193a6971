using System.Buffers;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Premortem.Contracts;
using Premortem.Contracts.Policies;

namespace Premortem.Sidecar.Uploads;

/// <summary>
/// Stores into a folder: a mounted volume, or any folder on a host. A key appears under its name when the whole content is on the disk and has
/// been read back from it, never before.
/// </summary>
internal sealed class DirectoryStore : IArtifactStore
{
    internal const string UnfinishedSuffix = ".premortem-unfinished";

    private const int BufferBytes = 128 * 1024;

    // How much of the page cache a copy may hold at once, where the container's limit counts it.
    private const long CachedBytes = 8 * 1024 * 1024;

    private readonly string _root;

    internal DirectoryStore(DirectoryStorage storage)
    {
        if (!Path.IsPathRooted(storage.Path))
            throw new ArgumentException($"'{storage.Path}' is no absolute path", nameof(storage));
        _root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(storage.Path));
    }

    public string Locate(string key) => new Uri(PathOf(key)).AbsoluteUri;

    public Task PutAsync(string key, string file, string sha256, CancellationToken ct) =>
        Task.Run(() => Translate(() => Put(PathOf(key), file, sha256, ct)), ct);

    public Task AbandonUnfinishedAsync(string folder, CancellationToken ct) => Task.Run(
        () => Translate(() =>
        {
            var below = PathOf(folder);
            if (!Directory.Exists(below))
                return;
            foreach (var leftover in Directory.EnumerateFiles(below, $".*{UnfinishedSuffix}", SearchOption.AllDirectories))
            {
                ct.ThrowIfCancellationRequested();
                File.Delete(leftover);
            }
        }),
        ct);

    public Task CheckAsync(CancellationToken ct) => Task.Run(
        () => Translate(() =>
        {
            var made = MakeFolder(_root);
            var probe = UnfinishedName(Path.Combine(_root, "check"));
            try
            {
                using var file = File.OpenHandle(probe, FileMode.CreateNew, FileAccess.Write);
                RandomAccess.Write(file, "premortem"u8, 0);
                RandomAccess.FlushToDisk(file);
            }
            finally
            {
                File.Delete(probe);
                foreach (var folder in made)
                    RemoveIfEmpty(folder);
            }
        }),
        ct);

    public void Dispose()
    {
    }

    private static void Put(string path, string file, string sha256, CancellationToken ct)
    {
        var folder = Path.GetDirectoryName(path)!;
        MakeFolder(folder);
        var unfinished = UnfinishedName(path);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            using (var target = File.OpenHandle(unfinished, FileMode.CreateNew, FileAccess.ReadWrite))
            {
                using (var source = SpoolFile.Open(file))
                    Expect(sha256, Copy(source, target, buffer, ct), $"'{file}' is no longer what was captured", isTransient: false);
                Expect(sha256, ReadBack(target, buffer, ct), $"the disk gave back other bytes than were written to '{unfinished}'", isTransient: true);
            }
            File.Move(unfinished, path, overwrite: true);
            DiskSync.SyncFolder(folder);
        }
        catch
        {
            TryDelete(unfinished);
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static byte[] Copy(SafeFileHandle source, SafeFileHandle target, byte[] buffer, CancellationToken ct)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long offset = 0, clean = 0;
        while (true)
        {
            ct.ThrowIfCancellationRequested();
            var read = RandomAccess.Read(source, buffer, offset);
            hash.AppendData(buffer, 0, read);
            RandomAccess.Write(target, buffer.AsSpan(0, read), offset);
            offset += read;
            if (read > 0 && offset - clean < CachedBytes)
                continue;
            RandomAccess.FlushToDisk(target);
            DiskSync.DropPageCache(target, clean, offset - clean);
            DiskSync.DropPageCache(source, clean, offset - clean);
            clean = offset;
            if (read == 0)
                return hash.GetHashAndReset();
        }
    }

    // The pages were dropped after they were synced, so this comes from the disk as far as the file system lets it.
    private static byte[] ReadBack(SafeFileHandle target, byte[] buffer, CancellationToken ct)
    {
        DiskSync.ReadNoFurther(target);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long offset = 0;
        while (true)
        {
            ct.ThrowIfCancellationRequested();
            var read = RandomAccess.Read(target, buffer, offset);
            if (read == 0)
                break;
            hash.AppendData(buffer, 0, read);
            DiskSync.DropPageCache(target, offset, read);
            offset += read;
        }
        return hash.GetHashAndReset();
    }

    private static void Expect(string sha256, byte[] found, string otherwise, bool isTransient)
    {
        if (!string.Equals(sha256, Convert.ToHexStringLower(found), StringComparison.OrdinalIgnoreCase))
            throw new StoreException(Reasons.ContentMismatch, otherwise, isTransient);
    }

    /// <summary>Makes a folder with its parents, for good; returns those that were missing, deepest first.</summary>
    private static List<string> MakeFolder(string folder)
    {
        var missing = new List<string>();
        for (var path = folder; !Directory.Exists(path) && Path.GetDirectoryName(path) is { } parent; path = parent)
            missing.Add(path);
        if (missing.Count == 0)
            return missing;
        Directory.CreateDirectory(folder);
        foreach (var made in missing)
            DiskSync.SyncFolder(Path.GetDirectoryName(made)!);
        return missing;
    }

    private static void RemoveIfEmpty(string folder)
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (IOException)
        {
            // Somebody has put something into it meanwhile, which is what it is for.
        }
    }

    private static void TryDelete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // AbandonUnfinishedAsync finds it by its name; what matters now is the error on its way up.
        }
    }

    // Hidden and marked, in the folder it will be renamed in: a rename is atomic only within a file system.
    private static string UnfinishedName(string path) =>
        Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetRandomFileName()}{UnfinishedSuffix}");

    private string PathOf(string key)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(Path.Combine(_root, key)));
        return path == _root || path.StartsWith(_root == "/" ? _root : _root + "/", StringComparison.Ordinal)
            ? path
            : throw new ArgumentException($"the key '{key}' leads out of the store", nameof(key));
    }

    private void Translate(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DirectoryFailure.Explain(_root, e);
        }
    }
}
