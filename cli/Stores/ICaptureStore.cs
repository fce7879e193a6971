namespace Premortem.Cli.Stores;

/// <summary>A bucket or a folder with captures, to be read. What stands in it is anybody's: whoever reads bounds it.</summary>
internal interface ICaptureStore : IDisposable
{
    /// <summary>The address of a key, as a person would write it.</summary>
    string Locate(string key);

    /// <summary>The keys of all manifests below a folder (empty, or with a slash at its end), as they are found.</summary>
    /// <exception cref="ReadException">The store cannot be listed.</exception>
    IAsyncEnumerable<string> FindManifestsAsync(string folder, CancellationToken ct);

    /// <summary>Opens a file at an offset, or at its beginning where the store cannot do better: <see cref="StoredContent.From"/> says.</summary>
    /// <exception cref="ReadException">It cannot be read; says whether it is missing, and whether trying again can help.</exception>
    Task<StoredContent> OpenAsync(string key, long from, CancellationToken ct);

    /// <summary>What an error means that came while content was read.</summary>
    ReadException Explain(string key, Exception error);
}
