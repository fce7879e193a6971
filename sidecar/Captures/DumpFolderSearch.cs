namespace Premortem.Sidecar.Captures;

/// <summary>Whether there is a place where a runtime can write a dump that can be read from here.</summary>
internal abstract record DumpFolderSearch
{
    private DumpFolderSearch()
    {
    }

    internal sealed record Found(DumpFolder Folder) : DumpFolderSearch;

    /// <param name="Why">Why no dump can be had.</param>
    internal sealed record NotFound(Obstacle Why) : DumpFolderSearch;
}
