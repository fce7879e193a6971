using System.Runtime.CompilerServices;
using Premortem.Contracts;

namespace Premortem.Cli.Stores;

/// <summary>Captures in a folder.</summary>
internal sealed class FolderStore(string root) : ICaptureStore
{
    private static readonly EnumerationOptions s_walk = new()
    {
        RecurseSubdirectories = true,
        IgnoreInaccessible = true,
        // A link may lead in circles.
        AttributesToSkip = FileAttributes.ReparsePoint,
        MaxRecursionDepth = 32,
    };

    private readonly string _root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));

    public string Locate(string key) => Path.Combine(_root, key);

    public async IAsyncEnumerable<string> FindManifestsAsync(string folder, [EnumeratorCancellation] CancellationToken ct)
    {
        await Task.CompletedTask;
        if (!Directory.Exists(_root))
            throw new ReadException($"{_root}: there is no such folder", isTransient: false, isMissing: true);
        var below = Path.Combine(_root, folder);
        if (!Directory.Exists(below))
            yield break;
        foreach (var file in Directory.EnumerateFiles(below, Names.Manifest, s_walk))
        {
            ct.ThrowIfCancellationRequested();
            yield return Path.GetRelativePath(_root, file);
        }
    }

    public Task<StoredContent> OpenAsync(string key, long from, CancellationToken ct)
    {
        try
        {
            var stream = new FileStream(Locate(key), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            stream.Position = from;
            return Task.FromResult(new StoredContent(stream, from));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Explain(key, e);
        }
    }

    public ReadException Explain(string key, Exception error) => error is FileNotFoundException or DirectoryNotFoundException
        ? new ReadException($"{Locate(key)}: there is no such file", isTransient: false, isMissing: true, error)
        : new ReadException($"{Locate(key)} cannot be read: {error.Message}", isTransient: false, isMissing: false, error);

    public void Dispose()
    {
    }
}
