namespace Premortem.Sidecar.Uploads;

/// <summary>Where captures end up: a bucket or a directory.</summary>
internal interface IArtifactStore : IDisposable
{
    /// <summary>
    /// Stores a whole file under <paramref name="key"/> (which already carries the capture's folder, not the store's prefix), replacing
    /// what stands there. When this returns, what is stored has been proven to be the file as far as the store can prove it.
    /// </summary>
    /// <param name="sha256">Lower-case hex of the file's SHA-256.</param>
    /// <exception cref="StoreException">It could not be stored; says whether trying again can help.</exception>
    Task PutAsync(string key, string file, string sha256, CancellationToken ct);

    /// <summary>Undoes what an upload that never ended has left below <paramref name="folder"/>: unfinished multipart uploads, temporary files.</summary>
    Task AbandonUnfinishedAsync(string folder, CancellationToken ct);

    /// <summary>Tries whether captures could be stored, without leaving anything behind.</summary>
    /// <exception cref="StoreException">They could not.</exception>
    Task CheckAsync(CancellationToken ct);

    /// <summary>The address of a key, as a person would write it: <c>s3://bucket/prefix/key</c> or <c>file:///dir/key</c>. Never holds a secret.</summary>
    string Locate(string key);
}
