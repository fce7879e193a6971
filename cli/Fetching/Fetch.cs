using System.Security.Cryptography;
using Premortem.Cli.Captures;
using Premortem.Cli.Stores;
using Premortem.Contracts;

namespace Premortem.Cli.Fetching;

/// <summary>
/// Brings one capture into a folder: its files first, several at a time, each proven by its SHA-256 before it gets its name, and the manifest
/// last, as in the store. What is there already is left; what is there in part goes on.
/// </summary>
/// <param name="store">Opened at the capture's folder.</param>
/// <param name="folder">Where to; made where it is missing.</param>
/// <param name="force">Whether a file with other content is replaced.</param>
internal sealed class Fetch(ICaptureStore store, string folder, bool force, FetchProgress progress, TimeProvider time)
{
    private const int FilesAtOnce = 4;
    private const int BufferBytes = 128 << 10;

    /// <returns>The record, and the paths of the files, the manifest last.</returns>
    /// <exception cref="VerbException">Something of it could not be had; what could, is there.</exception>
    internal async Task<(CaptureRecord Record, IReadOnlyList<string> Paths)> RunAsync(CancellationToken ct)
    {
        var manifest = await ReadManifestAsync(ct);
        var record = Manifest.Parse(manifest, store.Locate(Names.Manifest));
        var files = FetchPlan.Of(record, store.Locate(Names.Manifest));
        Directory.CreateDirectory(folder);
        var missing = await CompareAsync(files, manifest, ct);
        ExpectRoom(missing);
        progress.Begin(missing.Count, FetchPlan.TotalBytes(missing));
        var failures = new List<string>();
        try
        {
            await Parallel.ForEachAsync(missing, new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = ct }, async (file, stop) =>
            {
                try
                {
                    await FetchFileAsync(file, stop);
                }
                catch (Exception e) when (e is ReadException or VerbException or IOException or UnauthorizedAccessException)
                {
                    lock (failures)
                        failures.Add(e.Message);
                    progress.Note($"premortem: {e.Message}");
                }
            });
        }
        finally
        {
            progress.End();
        }
        if (failures.Count > 0)
            throw new VerbException($"{failures.Count} of {files.Count} files could not be fetched, the others are in {folder}; the same command again goes on from here");
        var path = PathOf(Names.Manifest);
        await File.WriteAllBytesAsync(path + FetchPlan.UnfinishedSuffix, manifest, ct);
        File.Move(path + FetchPlan.UnfinishedSuffix, path, overwrite: true);
        return (record, [.. files.Select(file => PathOf(file.Name)), path]);
    }

    private async Task<byte[]> ReadManifestAsync(CancellationToken ct)
    {
        try
        {
            return await Reading.WholeAsync(store, Names.Manifest, StoredCaptures.MostManifestBytes, time, ct);
        }
        catch (ReadException e) when (e.IsMissing)
        {
            throw new VerbException(
                $"{store.Locate("")} is no capture that is whole: it has no {Names.Manifest}, which is stored last (premortem captures --store lists those that have)", inner: e);
        }
        catch (ReadException e)
        {
            throw new VerbException(e.Message, inner: e);
        }
    }

    /// <returns>What is not there yet.</returns>
    private async Task<List<FileToFetch>> CompareAsync(IReadOnlyList<FileToFetch> files, byte[] manifest, CancellationToken ct)
    {
        var missing = new List<FileToFetch>();
        var others = new List<string>();
        foreach (var file in files.Append(new FileToFetch(Names.Manifest, manifest.Length, Convert.ToHexStringLower(SHA256.HashData(manifest)))))
        {
            var path = PathOf(file.Name);
            if (Directory.Exists(path))
                throw new VerbException($"{path} is a folder, and a file of the capture has this name: choose another folder with -o");
            if (File.Exists(path))
            {
                if (await IsAsync(path, file, ct))
                    continue;
                others.Add(path);
            }
            if (file.Name != Names.Manifest)
                missing.Add(file);
        }
        if (others.Count > 0 && !force)
            throw new VerbException(
                $"{string.Join(", ", others.Take(5))}{(others.Count > 5 ? ", …" : "")}: there with other content; --force replaces it, -o chooses another folder");
        return missing;
    }

    private static async Task<bool> IsAsync(string path, FileToFetch file, CancellationToken ct)
    {
        await using var content = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        return content.Length == file.Bytes && Convert.ToHexStringLower(await SHA256.HashDataAsync(content, ct)) == file.Sha256;
    }

    private void ExpectRoom(List<FileToFetch> missing)
    {
        var needed = FetchPlan.TotalBytes(missing) - missing.Sum(file => new FileInfo(PartOf(file)) is { Exists: true } part ? Math.Min(part.Length, file.Bytes) : 0);
        long free;
        try
        {
            free = new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // A file system that does not tell.
            return;
        }
        if (needed > free)
            throw new VerbException($"{folder}: the capture needs {Quantity.ForPeople(needed)}, and {Quantity.ForPeople(free)} are free: choose another disk with -o");
    }

    private async Task FetchFileAsync(FileToFetch file, CancellationToken ct)
    {
        var failed = 0;
        var isFresh = false;
        while (true)
        {
            long came = 0;
            try
            {
                if (await TryFetchAsync(file, bytes => came += bytes, ct))
                {
                    File.Move(PartOf(file), PathOf(file.Name), overwrite: true);
                    progress.Done(file.Name, file.Bytes);
                    return;
                }
                // What lay there was not the beginning of this file: once more, without it.
                if (isFresh)
                    throw new VerbException($"{store.Locate(file.Name)}: its content is not what the manifest says (SHA-256 differs): it was changed or damaged in the store");
                isFresh = true;
            }
            catch (ReadException e) when (e.IsTransient)
            {
                // A long way over a bad line is still a way.
                failed = came > 0 ? 1 : failed + 1;
                if (failed >= Reading.Attempts)
                    throw;
                await Reading.PauseAsync(failed, time, ct);
            }
        }
    }

    /// <returns>Whether the whole file lies in its <c>.part</c>; if not, that is gone.</returns>
    private async Task<bool> TryFetchAsync(FileToFetch file, Action<int> came, CancellationToken ct)
    {
        var buffer = new byte[BufferBytes];
        // Alone: of two programs that fetch into one folder, the second is told.
        await using var target = new FileStream(PartOf(file), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        if (target.Length > file.Bytes)
            target.SetLength(0);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (await target.ReadAsync(buffer, ct) is var had and > 0)
            hash.AppendData(buffer, 0, had);
        var counted = target.Length;
        progress.Add(counted, here: true);
        try
        {
            if (target.Length < file.Bytes)
            {
                using var content = await store.OpenAsync(file.Name, target.Length, ct);
                if (content.From != target.Length)
                {
                    target.SetLength(content.From);
                    _ = hash.GetHashAndReset();
                    progress.Add(-counted, here: true);
                    counted = 0;
                }
                while (await Reading.SomeAsync(store, file.Name, content.Stream, buffer, time, ct) is var read and > 0)
                {
                    if (target.Length + read > file.Bytes)
                        throw new VerbException($"{store.Locate(file.Name)}: it is larger than the {file.Bytes} bytes that the manifest says");
                    await target.WriteAsync(buffer.AsMemory(0, read), ct);
                    hash.AppendData(buffer, 0, read);
                    came(read);
                    counted += read;
                    progress.Add(read);
                }
                if (target.Length < file.Bytes)
                    throw new ReadException($"{store.Locate(file.Name)}: it ended after {target.Length} of {file.Bytes} bytes", isTransient: true);
            }
            if (Convert.ToHexStringLower(hash.GetHashAndReset()) == file.Sha256)
                return true;
            target.SetLength(0);
            progress.Add(-counted);
            return false;
        }
        catch (ReadException)
        {
            // It is counted again when it is read again.
            progress.Add(-counted);
            throw;
        }
    }

    private string PathOf(string name) => Path.Combine(folder, name);

    private string PartOf(FileToFetch file) => PathOf(file.Name) + FetchPlan.UnfinishedSuffix;
}
