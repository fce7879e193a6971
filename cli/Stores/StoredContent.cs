namespace Premortem.Cli.Stores;

/// <summary>A stored file that is open for reading.</summary>
/// <param name="From">The offset of the first byte that <paramref name="Stream"/> gives.</param>
/// <param name="Owner">What has to be disposed of with the stream.</param>
internal sealed record StoredContent(Stream Stream, long From, IDisposable? Owner = null) : IDisposable
{
    public void Dispose()
    {
        Stream.Dispose();
        Owner?.Dispose();
    }
}
